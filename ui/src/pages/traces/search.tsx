// SPDX-License-Identifier: Apache-2.0
// Trace search: TraceQL, with filters that write it.

import { useMemo } from 'preact/hooks';

import { Await, Button, Dot, Panel } from '../../kit/basics';
import { NothingYet, NoMatch } from '../../kit/empty';
import { QueryBox } from '../../kit/editor';
import { Popover } from '../../kit/popover';
import { Table, type Column } from '../../kit/table';
import { ago, count, dayClock, millis, plural } from '../../lib/format';
import { buildTraceQl, parseTraceQl } from '../../lib/query';
import type { Range } from '../../lib/time';
import { tempoSearch, tempoTagValues, type TraceHit } from '../../state/api';
import { range } from '../../state/range';
import { href, params, setParams } from '../../state/route';
import { useQuery } from '../../state/use-query';
import { Filters } from './filters';
import { Scatter } from './scatter';
import { searchTags } from './tags';

const EXAMPLES: readonly [string, string][] = [
  ['Everything', '{ }'],
  ['Failed spans', '{ status = error }'],
  ['Slow processing', '{ name =~ "process.*" && duration > 100ms }'],
  ['One topic', '{ span.messaging.destination.name = "orders" }'],
  ['A Kafka client kind', '{ kind = producer || kind = consumer }'],
  ['One partition', '{ span.messaging.destination.partition.id = "0" && status = error }'],
];
const LIMITS = ['20', '50', '100', '200', '500'];

export interface Hit {
  id: string; service: string; name: string; startMs: number; durationMs: number;
  spans: number | null; errors: number; services: string[]; matched: number | null;
}

export function hitOf(t: TraceHit): Hit {
  const stats = Object.entries(t.serviceStats ?? {});
  const sets = t.spanSets ?? (t.spanSet ? [t.spanSet] : []);
  return {
    id: t.traceID.padStart(32, '0'),
    service: t.rootServiceName?.startsWith('<') ? '' : t.rootServiceName || '', name: t.rootTraceName || '',
    startMs: Number(BigInt(t.startTimeUnixNano || 0) / 1000n) / 1000,
    durationMs: t.durationMs ?? 0,
    spans: stats.length ? stats.reduce((n, [, s]) => n + (s.spanCount ?? 0), 0) : null,
    errors: stats.reduce((n, [, s]) => n + (s.errorCount ?? 0), 0),
    services: stats.map(([name]) => name).sort(),
    matched: sets.length ? sets.reduce((n, s) => n + (s.matched ?? s.spans?.length ?? 0), 0) : null,
  };
}

export function SearchPage() {
  const q = params.value.get('q') ?? '';
  const limit = Number(params.value.get('limit')) || 100;
  const query = q || '{ }';
  const answer = useQuery(`${limit}/${query}`, async (signal) =>
    (await tempoSearch(query, range.value, limit, signal)).map(hitOf));
  const run = (text: string) => setParams({ q: text === '{ }' ? null : text });
  const hits = answer.data;
  const plain = parseTraceQl(q);

  return (
    <div class="page">
      <h1 class="visually-hidden">Traces</h1>
      <div class="query-row">
        <QueryBox language="traceql" main text={q} label="TraceQL query" hint='TraceQL, for example { status = error }'
          onRun={run} error={answer.error} names={() => searchTags()}
          values={(name) => tempoTagValues(name, range.value)} />
        <Popover label="Examples" button="Examples">
          {(close) => (
            <ul class="menu">
              {EXAMPLES.map(([name, text]) => (
                <li><button type="button" onClick={() => { run(text); close(); }}><span>{name}</span><code>{text}</code></button></li>
              ))}
            </ul>
          )}
        </Popover>
      </div>
      <Filters filters={plain} onChange={(f) => run(buildTraceQl(f))} />
      <Panel title={hits ? `${hits.length >= limit ? 'Newest ' : ''}${plural(hits.length, 'trace')}` : 'Traces'}
        busy={answer.busy} flush aside={(
          <label class="select">
            <span class="faint">Limit</span>
            <select value={String(limit)} onChange={(e) => setParams({ limit: e.currentTarget.value === '100' ? null : e.currentTarget.value })}>
              {LIMITS.map((l) => <option>{l}</option>)}
            </select>
          </label>
        )}>
        <Await answer={answer} query={query}>
          {(list) => (list.length
            ? <Results hits={list} isPart={list.length >= limit} />
            : plain && Object.keys(plain).length === 0 ? <FirstTime /> : <NoMatch what="traces"><Button onClick={() => run('{ }')}>Clear the query</Button></NoMatch>)}
        </Await>
      </Panel>
    </div>
  );
}

/** No trace in this range: is there any at all? */
function FirstTime() {
  const day = 86400e3;
  const any = useQuery('any-trace', (signal) =>
    tempoSearch('{ }', { start: Date.now() - 30 * day, end: Date.now() }, 1, signal));
  if (!any.data && !any.error) return null;
  return any.data?.length ? <NoMatch what="traces" /> : <NothingYet topic="traces" />;
}

/** The time that the dots cover: of a part of all traces only its own, lest they crowd at one end. */
function timeOf(hits: Hit[], isPart: boolean): Range {
  if (!isPart) return range.value;
  const starts = hits.map((h) => h.startMs);
  const [first, last] = [Math.min(...starts), Math.max(...starts)];
  const air = Math.max(50, (last - first) * 0.02);
  return { start: Math.max(range.value.start, first - air), end: last + air };
}

function Results({ hits, isPart }: { hits: Hit[]; isPart: boolean }) {
  const longest = useMemo(() => Math.max(...hits.map((h) => h.durationMs), 0.001), [hits]);
  const now = Date.now();
  const columns: Column<Hit>[] = [
    {
      id: 'start', head: 'Start', sort: (h) => h.startMs,
      cell: (h) => <a class="row-link" href={href(`trace/${h.id}`)} title={ago(h.startMs, now)}>{dayClock(h.startMs, true)}</a>,
    },
    {
      id: 'name', head: 'Root', wrap: true, sort: (h) => `${h.service} ${h.name}`,
      cell: (h) => <><Dot name={h.service} /><span class="muted">{h.service || 'no root yet'}</span> <span class="strong">{h.name}</span></>,
    },
    {
      id: 'services', head: 'Services', num: true, sort: (h) => h.services.length,
      cell: (h) => <span title={h.services.join('\n')}>{h.services.length || ''}</span>,
    },
    { id: 'spans', head: 'Spans', num: true, sort: (h) => h.spans, cell: (h) => count(h.spans) },
    {
      id: 'errors', head: 'Errors', num: true, sort: (h) => h.errors,
      cell: (h) => (h.errors ? <span class="badge bad">{count(h.errors)}</span> : <span class="zero">0</span>),
    },
    {
      id: 'duration', head: 'Duration', num: true, sort: (h) => h.durationMs,
      cell: (h) => (
        <span class="bar-cell">
          <span class="bar" style={{ width: `${Math.max(1.5, (h.durationMs / longest) * 100)}px` }} />
          {h.durationMs ? millis(h.durationMs) : '<1 ms'}
        </span>
      ),
    },
  ];
  return (
    <>
      <Scatter hits={hits} range={timeOf(hits, isPart)} />
      <Table label="Traces" columns={columns} rows={hits} keyOf={(h) => h.id} sortBy="start" descending />
    </>
  );
}
