// SPDX-License-Identifier: Apache-2.0
// The time range (relative, absolute, shift, zoom out) and the auto-refresh.

import { useState } from 'preact/hooks';

import { describeRange, localStamp, parseTime, PRESETS } from '../lib/time';
import { range, rangeText, refresh, refreshNow, REFRESHES, setRange, shiftRange } from '../state/range';
import { setParams } from '../state/route';
import { Button } from './basics';
import { Icon } from './icons';
import { Popover } from './popover';

export function RangePicker() {
  return (
    <div class="joined">
      <Button icon="left" title="Earlier ([)" onClick={() => shiftRange(-1)} />
      <Popover label="Time range" button={<><Icon name="clock" /><span class="range-text">{describeRange(rangeText.value)}</span><Icon name="down" size={12} /></>}>
        {(close) => <RangeForm close={close} />}
      </Popover>
      <Button icon="right" title="Later (])" onClick={() => shiftRange(1)} />
      <Button icon="zoomout" title="Twice the range" onClick={() => shiftRange(0)} />
    </div>
  );
}

/** What the user typed, as it goes into the URL: relative text as it is, dates as milliseconds. */
function forUrl(text: string): string | null {
  const t = text.trim();
  if (parseTime(t, Date.now()) === null) return null;
  return t.startsWith('now') || /^\d+$/.test(t) ? t : String(parseTime(t, 0));
}

function RangeForm({ close }: { close: () => void }) {
  const asText = (text: string) => (text.startsWith('now') ? text : localStamp(Number(text)));
  const [from, setFrom] = useState(asText(rangeText.value.from));
  const [to, setTo] = useState(asText(rangeText.value.to));
  const start = parseTime(from, Date.now());
  const end = parseTime(to, Date.now());
  const wrong = start === null || end === null
    ? 'Write now, now-1h, or 2026-01-31 12:00:00' : start >= end ? 'The start is not before the end' : '';
  const apply = (event: Event) => {
    event.preventDefault();
    if (wrong) return;
    setRange(forUrl(from)!, forUrl(to)!);
    close();
  };
  const { start: s, end: e } = range.value;
  return (
    <div class="range-form">
      <div class="presets" role="group" aria-label="Last">
        {PRESETS.map(([d, name]) => (
          <button type="button" aria-pressed={rangeText.value.from === `now-${d}` && rangeText.value.to === 'now'}
            onClick={() => { setRange(`now-${d}`, 'now'); close(); }}>{name}</button>
        ))}
      </div>
      <form onSubmit={apply}>
        <label>From<input value={from} onInput={(ev) => setFrom(ev.currentTarget.value)} spellcheck={false} /></label>
        <label>To<input value={to} onInput={(ev) => setTo(ev.currentTarget.value)} spellcheck={false} /></label>
        <p class={wrong ? 'wrong' : 'faint'}>{wrong || 'Local time. Or now-15m, now-1h30m, now-2d.'}</p>
        <div class="row">
          <Button kind="primary" type="submit" disabled={!!wrong}>Apply</Button>
          <Button onClick={() => { setFrom(localStamp(s)); setTo(localStamp(e)); }}>Pin present range</Button>
        </div>
      </form>
    </div>
  );
}

export function RefreshPicker() {
  return (
    <div class="joined">
      <Button icon="refresh" title="Refresh now (r)" onClick={refreshNow} />
      <label class="select">
        <span class="visually-hidden">Refresh every</span>
        <select value={refresh.value} title="Refresh every"
          onChange={(e) => setParams({ refresh: e.currentTarget.value === '5s' ? null : e.currentTarget.value })}>
          {REFRESHES.map((r) => <option value={r}>{r}</option>)}
        </select>
      </label>
    </div>
  );
}
