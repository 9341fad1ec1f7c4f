// SPDX-License-Identifier: Apache-2.0
// Every metric there is, with its type, unit and help; typing narrows, a click asks.

import { useMemo, useState } from 'preact/hooks';

import { Await, Button } from '../../kit/basics';
import { promLabelValues, promMetadata, type Metadata } from '../../state/api';
import { range } from '../../state/range';
import { useQuery } from '../../state/use-query';

interface Entry { name: string; type: string; help: string; unit: string; parts: number }

const SUFFIX = /_(bucket|sum|count)$/;

/** Histogram series fall into one entry; metadata is found with and without a counter's suffix. */
export function entriesOf(names: string[], metadata: Record<string, Metadata[]>): Entry[] {
  const all = new Set(names);
  const out = new Map<string, Entry>();
  for (const name of names) {
    const base = name.replace(SUFFIX, '');
    const isPart = base !== name && (all.has(`${base}_bucket`) || all.has(`${base}_count`) && all.has(`${base}_sum`));
    const key = isPart ? base : name;
    const known = metadata[key]?.[0] ?? metadata[name]?.[0] ?? metadata[name.replace(/_total$/, '')]?.[0];
    const entry = out.get(key);
    if (entry) entry.parts++;
    else {
      const guess = isPart ? 'histogram' : name.endsWith('_total') ? 'counter' : '';
      out.set(key, { name: key, type: known?.type && known.type !== 'unknown' ? known.type : guess, help: known?.help ?? '', unit: known?.unit ?? '', parts: 1 });
    }
  }
  return [...out.values()].sort((a, b) => a.name.localeCompare(b.name));
}

const SHOWN = 300;

/** Lets a long name wrap behind its underscores. */
const breakable = (name: string) => name.split(/(?<=_)/).map((part) => <>{part}<wbr /></>);

export function Explorer({ onPick, onHide }: { onPick: (name: string, type: string) => void; onHide: () => void }) {
  const [text, setText] = useState('');
  const answer = useQuery('metric-names', async (signal) => {
    const [names, metadata] = await Promise.all([
      promLabelValues('__name__', range.value, undefined, signal),
      promMetadata(signal).catch(() => ({})),
    ]);
    return entriesOf(names, metadata);
  });
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = useMemo(() => (answer.data ?? []).filter((e) => {
    const hay = `${e.name} ${e.help} ${e.type}`.toLowerCase();
    return words.every((w) => hay.includes(w));
  }), [answer.data, text]);
  return (
    <aside class="panel explorer" aria-label="Metric explorer">
      <div class="explorer-head">
        <input type="search" placeholder="Find a metric" aria-label="Find a metric" value={text} onInput={(e) => setText(e.currentTarget.value)} />
        <Button kind="ghost" icon="close" title="Hide the list" onClick={onHide} />
      </div>
      <div class="explorer-list">
        <Await answer={answer}>
          {(all) => (
            <>
              {found.slice(0, SHOWN).map((e) => (
                <button type="button" class="metric" onClick={() => onPick(e.name, e.type)} title={e.help}>
                  <span class="metric-name">{breakable(e.name)}</span>
                  <span class="metric-meta">{[e.type, e.unit].filter(Boolean).join(', ')}</span>
                  {e.help && <span class="metric-help">{e.help}</span>}
                </button>
              ))}
              {!found.length && <p class="faint pad">{all.length ? 'No metric has that in its name or help.' : 'No metric in this range.'}</p>}
              {found.length > SHOWN && <p class="faint pad">{found.length - SHOWN} more; type to narrow.</p>}
            </>
          )}
        </Await>
      </div>
    </aside>
  );
}
