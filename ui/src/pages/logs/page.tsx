// SPDX-License-Identifier: Apache-2.0
// Logs: LogQL, volume by level, lines with their fields, live tail.

import { useState } from 'preact/hooks';

import { Await, Button, CopyButton, Panel } from '../../kit/basics';
import { TimeChart } from '../../kit/chart';
import { NothingYet, NoMatch } from '../../kit/empty';
import { QueryBox } from '../../kit/editor';
import { Popover } from '../../kit/popover';
import { count, plural } from '../../lib/format';
import { rowsOf, type LogRow } from '../../lib/logs';
import { onGrid } from '../../lib/matrix';
import { addLabelFilter, addLineFilter, addMatcher, isLogQuery, seriesName } from '../../lib/query';
import { alignRange, isRelative, stepFor } from '../../lib/time';
import { lokiLabels, lokiLabelValues, lokiRange, type Matrix } from '../../state/api';
import { range, rangeText, refresh } from '../../state/range';
import { params, setParams } from '../../state/route';
import { useQuery } from '../../state/use-query';
import { LabelBrowser } from './labels';
import { LogList } from './list';
import { useTail } from './tail';
import { Volume } from './volume';

export const ALL = '{service_name=~".+"}';
const LIMIT = 500;
const EXAMPLES: readonly [string, string][] = [
  ['Every line', ALL],
  ['Errors', `${ALL} | level = "error"`],
  ['A text', `${ALL} |= "processing"`],
  ['Fields of JSON lines', `${ALL} | json`],
  ['Lines per second by service', `sum by (service_name) (rate(${ALL} [1m]))`],
];

type Found = { kind: 'rows'; rows: LogRow[] } | { kind: 'matrix'; series: Matrix[]; step: number; range: { start: number; end: number } };

export function LogsPage() {
  const query = params.value.get('q') || ALL;
  const live = params.value.get('live') === '1';
  const [search, setSearch] = useState('');
  const isLines = isLogQuery(query);
  const tail = useTail(live && isLines ? query : null);
  const answer = useQuery<Found>(live && isLines ? null : `logs/${query}`, async (signal) => {
    const step = stepFor(range.value, 120);
    const asked = isLines ? range.value : alignRange(range.value, step);
    const found = await lokiRange(query, asked, { limit: LIMIT, step }, signal);
    return found.kind === 'streams'
      ? { kind: 'rows', rows: rowsOf(found.streams) }
      : { kind: 'matrix', series: found.series, step, range: asked };
  }, query);
  const run = (text: string) => setParams({ q: !text || text === ALL ? null : text });
  const onFilter = (name: string, op: '=' | '!=', value: string, isLabel: boolean) =>
    run(isLabel ? addMatcher(query, name, op, value) : addLabelFilter(query, name, op, value));

  return (
    <div class="page logs-page">
      <h1 class="visually-hidden">Logs</h1>
      <div class="query-row">
        <Popover label="Labels" align="left" button="Labels">
          {() => <LabelBrowser onPick={(label, value) => onFilter(label, '=', value, true)} />}
        </Popover>
        <QueryBox language="logql" main text={query} label="LogQL query" hint={ALL} onRun={run} error={answer.error}
          names={() => lokiLabels(range.value)} values={(name) => lokiLabelValues(name, range.value)} />
        <form class="search-text" role="search" onSubmit={(e) => {
          e.preventDefault();
          run(addLineFilter(query, search));
          setSearch('');
        }}>
          <input type="search" placeholder="Line contains…" aria-label="Line contains" value={search} disabled={!isLines}
            onInput={(e) => setSearch(e.currentTarget.value)} />
        </form>
        <Popover label="Examples" button="Examples">
          {(close) => (
            <ul class="menu">
              {EXAMPLES.map(([name, text]) => (
                <li><button type="button" onClick={() => { run(text); close(); }}><span>{name}</span><code>{text}</code></button></li>
              ))}
            </ul>
          )}
        </Popover>
        <Button icon={live ? 'pause' : 'play'} active={live} disabled={!isLines}
          onClick={() => setParams({ live: live ? null : '1' }, true)} title="Follow new lines as they arrive">Live</Button>
        <CopyButton text={location.href} title="Copy a link to this query" />
      </div>
      {live && isLines
        ? <LiveList tail={tail} onFilter={onFilter} />
        : (
          <>
            {isLines && !answer.error && <Volume query={query} />}
            <Await answer={answer} query={query}>
              {(found) => <Found found={found} query={query} busy={answer.busy} onFilter={onFilter} />}
            </Await>
          </>
        )}
    </div>
  );
}

type OnFilter = (name: string, op: '=' | '!=', value: string, isLabel: boolean) => void;

function Found({ found, query, busy, onFilter }: { found: Found; query: string; busy: boolean; onFilter: OnFilter }) {
  if (found.kind === 'matrix') {
    const grid = onGrid(found.series, found.range, found.step);
    return (
      <Panel title={query} busy={busy}>
        {grid.rows.length
          ? <TimeChart label={query} data={{ times: grid.times, range: found.range, series: grid.rows.map((r) => ({ name: seriesName(r.metric), values: r.values })) }} />
          : <NoMatch what="series" />}
      </Panel>
    );
  }
  if (!found.rows.length) return query === ALL ? <FirstTime /> : <Panel><NoMatch what="lines" /></Panel>;
  return <OlderLines first={found.rows} query={query} busy={busy} onFilter={onFilter} />;
}

/** The newest lines, and older ones on demand; those stay until the query changes. */
function OlderLines({ first, query, busy, onFilter }: { first: LogRow[]; query: string; busy: boolean; onFilter: OnFilter }) {
  const [older, setOlder] = useState<{ query: string; rows: LogRow[]; end: boolean }>({ query, rows: [], end: false });
  const [loading, setLoading] = useState(false);
  const mine = older.query === query ? older.rows : [];
  const oldest = mine.length ? mine[mine.length - 1]! : first[first.length - 1]!;
  const rows = mine.length ? [...first, ...mine.filter((r) => r.ms <= first[first.length - 1]!.ms)] : first;
  const more = async () => {
    setLoading(true);
    try {
      const answer = await lokiRange(query, { start: range.value.start, end: oldest.ms }, { limit: LIMIT });
      const found = answer.kind === 'streams' ? rowsOf(answer.streams) : [];
      setOlder({ query, rows: [...mine, ...found], end: found.length < LIMIT });
    } finally {
      setLoading(false);
    }
  };
  const full = first.length >= LIMIT && !(older.query === query && older.end);
  return (
    <Panel flush busy={busy || loading} title={`${plural(rows.length, 'line')}${full ? ', newest first' : ''}`}
      aside={refresh.value !== 'off' && isRelative(rangeText.value) && <span class="faint">refreshed every {refresh.value}</span>}>
      <LogList rows={rows} onFilter={onFilter} />
      {full && <div class="pad"><Button onClick={more} disabled={loading}>Load older lines</Button></div>}
    </Panel>
  );
}

function FirstTime() {
  const any = useQuery('any-log', (signal) =>
    lokiLabelValues('service_name', { start: Date.now() - 30 * 86400e3, end: Date.now() }, signal));
  if (!any.data && !any.error) return null;
  return <Panel>{any.data?.length ? <NoMatch what="lines" /> : <NothingYet topic="logs" />}</Panel>;
}

function LiveList({ tail, onFilter }: { tail: ReturnType<typeof useTail>; onFilter: OnFilter }) {
  const { rows, state, why, paused, waiting, dropped } = tail;
  return (
    <Panel flush title={(
      <span class="live-title"><span class={`pulse ${state}`} />{state === 'open' ? (paused ? 'Paused' : 'Live') : state === 'opening' ? 'Connecting' : 'Ended'}</span>
    )} aside={(
      <>
        {dropped > 0 && <span class="warn-text">{count(dropped)} dropped by the server</span>}
        <Button icon={paused ? 'play' : 'pause'} onClick={tail.toggle}>{paused ? `Resume (${count(waiting)} new)` : 'Pause'}</Button>
        <Button onClick={tail.clear}>Clear</Button>
      </>
    )}>
      {why && <div class="pad"><div class="note error" role="alert"><div class="note-body"><p>{why}</p></div><Button onClick={tail.again}>Connect again</Button></div></div>}
      {rows.length ? <LogList rows={rows} onFilter={onFilter} /> : <p class="faint pad">Waiting for new lines.</p>}
    </Panel>
  );
}

