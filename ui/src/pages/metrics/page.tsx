// SPDX-License-Identifier: Apache-2.0
// Metrics: PromQL boxes, one chart of all their series, a table of present values, the explorer.

import { useMemo, useState } from 'preact/hooks';

import { Button, Choice, CopyButton, ErrorNote, Loading, Panel } from '../../kit/basics';
import { TimeChart, type Dot, type Series } from '../../kit/chart';
import { NothingYet, NoMatch } from '../../kit/empty';
import { QueryBox } from '../../kit/editor';
import { Popover } from '../../kit/popover';
import { Table, type Column } from '../../kit/table';
import { byMetricName, clock, plural } from '../../lib/format';
import type { Sample } from '../../lib/flow';
import { onGrid } from '../../lib/matrix';
import { legendNames, seriesName } from '../../lib/query';
import { alignRange, stepFor, type Range } from '../../lib/time';
import { promExemplars, promInstant, promRange, type Exemplar } from '../../state/api';
import { range } from '../../state/range';
import { href, params, setParams } from '../../state/route';
import { useQuery } from '../../state/use-query';
import { Explorer } from './explorer';

const EXAMPLES: readonly [string, string][] = [
  ['Messages sent per topic', 'sum by (messaging_destination_name) (rate(messaging_client_sent_messages_total[2m]))'],
  ['95th percentile of processing', 'histogram_quantile(0.95, sum by (le, messaging_consumer_group_name) (rate(messaging_process_duration_seconds_bucket[2m])))'],
  ['Lag by group', 'sum by (messaging_consumer_group_name) (weir_kafka_consumer_lag)'],
  ['Outcomes', 'sum by (messaging_consumer_group_name, outcome) (rate(weir_runner_processed_total[2m]))'],
  ['Share of failures', 'sum(rate(weir_runner_processed_total{outcome="failed"}[2m])) / sum(rate(weir_runner_processed_total[2m]))'],
];
const MAX_QUERIES = 8;
const POINTS = 300;
const DOTS_MAX = 200;

interface Found {
  range: Range;
  times: number[];
  perQuery: {
    query: string; common: string; series: Series[]; samples: Sample[]; exemplars: Exemplar[]; error?: Error; warnings: string[];
  }[];
}

async function ask(queries: string[], asked: Range, signal: AbortSignal): Promise<Found> {
  const step = stepFor(asked, POINTS);
  const grid = alignRange(asked, step);
  let times: number[] = onGrid([], grid, step).times;
  const perQuery = await Promise.all(queries.map(async (query) => {
    try {
      const [{ series, warnings }, samples, exemplars] = await Promise.all([
        promRange(query, grid, step, signal), promInstant(query, asked.end, signal),
        promExemplars(query, grid, signal).catch(() => []),   // the series are worth showing without
      ]);
      const placed = onGrid(series, grid, step);
      times = placed.times;
      const { common, names } = legendNames(placed.rows.map((r) => r.metric));
      return { query, warnings, samples, exemplars, common, series: placed.rows.map((r, i) => ({ name: names[i]!, full: seriesName(r.metric), values: r.values })) };
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw error;
      return { query, common: '', series: [], samples: [], exemplars: [], warnings: [], error: error as Error };
    }
  }));
  return { range: grid, times, perQuery };
}

export function MetricsPage() {
  const queries = params.value.getAll('q');
  const list = queries.length ? queries : [''];
  const active = list.filter((q) => q.trim());
  const view = params.value.get('view') === 'table' ? 'table' : 'chart';
  const [open, setOpen] = useState(true);
  const answer = useQuery(active.length ? active.join('\n\n') : null, (signal) => ask(active, range.value, signal));
  const errorOf = (q: string) => answer.data?.perQuery.find((p) => p.query === q)?.error;

  const setAll = (next: string[]) => setQueries(next);
  const setOne = (i: number, text: string) => setAll(list.map((q, at) => (at === i ? text : q)));

  return (
    <div class={`page metrics-page${open ? ' with-explorer' : ''}`}>
      <h1 class="visually-hidden">Metrics</h1>
      {open && <Explorer onPick={(name, type) => setOne(Math.max(0, list.findIndex((q) => !q.trim()) === -1 ? list.length - 1 : list.findIndex((q) => !q.trim())), queryFor(name, type))} onHide={() => setOpen(false)} />}
      <div class="metrics-main">
        <div class="queries">
          {list.map((q, i) => (
            <div class="query-row" key={`${i}/${list.length}`}>
              {i === 0 && !open && <Button icon="menu" title="Show the list of metrics" onClick={() => setOpen(true)} />}
              <QueryBox language="promql" main={i === 0} text={q} label={`PromQL query ${i + 1}`}
                hint="PromQL, for example rate(messaging_client_sent_messages_total[2m])"
                onRun={(text) => setOne(i, text)} error={errorOf(q)} />
              {list.length > 1 && <Button icon="close" kind="ghost" title="Remove this query" onClick={() => setAll(list.filter((_, at) => at !== i))} />}
              {i === list.length - 1 && (
                <>
                  {list.length < MAX_QUERIES && q && <Button icon="plus" onClick={() => setAll([...list, ''])}>Query</Button>}
                  <Popover label="Examples" button="Examples">
                    {(close) => (
                      <ul class="menu">
                        {EXAMPLES.map(([name, text]) => (
                          <li><button type="button" onClick={() => { setOne(i, text); close(); }}><span>{name}</span><code>{text}</code></button></li>
                        ))}
                      </ul>
                    )}
                  </Popover>
                </>
              )}
            </div>
          ))}
        </div>
        {answer.data?.perQuery.filter((p) => p.error && list.includes(p.query)).map((p) => <ErrorNote error={p.error!} query={p.query} />)}
        {active.length === 0
          ? (
            <Panel>
              <div class="empty">
                <h3>Ask for a metric</h3>
                <p>Choose one from the list, start to type, or begin here.</p>
                <ul class="menu begin">
                  {EXAMPLES.map(([name, text]) => (
                    <li><button type="button" onClick={() => setOne(0, text)}><span>{name}</span><code>{text}</code></button></li>
                  ))}
                </ul>
              </div>
            </Panel>
          )
          : (
            <Panel busy={answer.busy} title={answer.data && seriesCount(answer.data)} aside={(
              <>
                <Choice label="View" value={view} options={[['chart', 'Chart'], ['table', 'Table']]}
                  onChange={(v) => setParams({ view: v === 'table' ? 'table' : null }, true)} />
                <CopyButton text={location.href} title="Copy a link to these queries" />
              </>
            )}>
              {answer.data ? <Result found={answer.data} view={view} /> : <Loading show={answer.busy} />}
            </Panel>
          )}
      </div>
    </div>
  );
}

function setQueries(next: string[]): void {
  const text = new URLSearchParams(params.value);
  text.delete('q');
  for (const q of next) text.append('q', q);
  const search = text.toString();
  history.pushState(null, '', location.pathname + (search ? `?${search}` : ''));
  dispatchEvent(new PopStateEvent('popstate'));
}

/** What to ask first of a metric, by its type. */
export function queryFor(name: string, type: string): string {
  if (type === 'histogram' || name.endsWith('_bucket')) {
    return `histogram_quantile(0.95, sum by (le) (rate(${name.replace(/_bucket$/, '')}_bucket[2m])))`;
  }
  return type === 'counter' || /_(total|count|sum)$/.test(name) ? `rate(${name}[2m])` : name;
}

const seriesCount = (f: Found) => plural(f.perQuery.reduce((n, p) => n + p.series.length, 0), 'series', 'series');

function formatFor(found: Found) {
  const names = found.perQuery.map((p) => /([a-zA-Z_:][\w:]*_(?:seconds|bytes)(?:_bucket|_sum)?)\b/.exec(p.query)?.[1] ?? '');
  const same = names.every((n) => n === names[0]);
  const counts = found.perQuery.some((p) => /_count\b|^\s*count\b/.test(p.query));
  const rates = found.perQuery.some((p) => /\b(rate|irate|increase)\(/.test(p.query) && !/histogram_quantile/.test(p.query));
  return byMetricName(same && !counts && !rates ? names[0]! : '');
}

/** Those with a trace; of many the largest, since outliers are what one looks for. */
function dotsOf(found: Found, format: (v: number) => string): Dot[] {
  return found.perQuery.flatMap((p) => p.exemplars).filter((e) => e.labels.trace_id)
    .sort((a, b) => b.value - a.value).slice(0, DOTS_MAX)
    .map((e) => ({
      time: e.time, value: e.value, href: href(`trace/${e.labels.trace_id}`),
      title: `${format(e.value)} at ${clock(e.time * 1000)}: open trace ${e.labels.trace_id!.slice(0, 8)}`,
    }));
}

function Result({ found, view }: { found: Found; view: 'chart' | 'table' }) {
  const many = found.perQuery.length > 1;
  const series = useMemo(() => found.perQuery.flatMap((p, i) =>
    p.series.map((s) => ({ ...s, name: many ? `${letter(i)} ${s.name === '{}' ? p.query : s.name}` : s.name === '{}' ? p.query : s.name }))), [found]);
  const format = useMemo(() => formatFor(found), [found]);
  const data = useMemo(() => ({ times: found.times, series, range: found.range, dots: dotsOf(found, format) }), [found, series, format]);
  const warnings = [...new Set(found.perQuery.flatMap((p) => p.warnings))];
  if (!series.length) return found.perQuery.some((p) => p.error) ? null : <FirstTime />;
  return (
    <>
      {warnings.map((w) => <p class="note warn slim">{w}</p>)}
      {view === 'chart'
        ? (
          <>
            <TimeChart label="Series of the queries" data={data} height={320} format={format} />
            {found.perQuery.filter((p) => p.common).map((p) => <p class="faint common">{many ? `${letter(found.perQuery.indexOf(p))}: all ` : 'All '}<code>{p.common}</code></p>)}
          </>
        )
        : <Values found={found} format={format} />}
    </>
  );
}

const letter = (i: number): string => String.fromCharCode(65 + i);

interface ValueRow { key: string; labels: Record<string, string>; value: number; query: string }

function Values({ found, format }: { found: Found; format: (v: number) => string }) {
  const rows: ValueRow[] = found.perQuery.flatMap((p, i) => p.samples.map((s) => ({
    key: `${i}${seriesName(s.metric)}`, labels: s.metric, value: s.value, query: letter(i),
  })));
  const names = [...new Set(rows.flatMap((r) => Object.keys(r.labels)))].sort();
  const columns: Column<ValueRow>[] = [
    ...(found.perQuery.length > 1 ? [{ id: 'query', head: 'Query', sort: (r: ValueRow) => r.query, cell: (r: ValueRow) => r.query }] : []),
    ...names.map((n): Column<ValueRow> => ({ id: `l/${n}`, head: n === '__name__' ? 'metric' : n, sort: (r) => r.labels[n] ?? null, cell: (r) => r.labels[n] ?? '' })),
    { id: 'value', head: 'Value', num: true, sort: (r) => r.value, cell: (r) => <span class="strong">{format(r.value)}</span> },
  ];
  return <Table label="Present values" columns={columns} rows={rows} keyOf={(r) => r.key} sortBy="value" descending />;
}

function FirstTime() {
  const any = useQuery('any-metric', (signal) => promInstant('count({__name__=~".+"})', Date.now(), signal));
  if (!any.data && !any.error) return null;
  return any.data?.length || any.error ? <NoMatch what="series" /> : <NothingYet topic="metrics" />;
}
