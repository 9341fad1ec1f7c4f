// SPDX-License-Identifier: Apache-2.0
// How the server itself is: components, what it stores, versions.

import { Await, Panel } from '../kit/basics';
import { Table, type Column } from '../kit/table';
import { ago, bytes, count, dayClock, seconds } from '../lib/format';
import { componentsOf, days, factsOf, timeMs, type Component, type Fact } from '../lib/status';
import { weirStatus } from '../state/api';
import { useQuery } from '../state/use-query';
import { SelfFigures } from './status-self';

type Format = (v: unknown) => string;
const time: Format = (v) => { const ms = timeMs(v); return ms ? dayClock(ms) : '–'; };
const whole: Format = (v) => count(Number(v));
const size: Format = (v) => bytes(Number(v));
const limit: Format = (v) => (Number(v) ? size(v) : 'none');

/** What the answer holds, in words: section, path, name, format. */
const FIELDS: readonly (readonly [string, string, string, Format])[] = [
  ['Server', 'version', 'Version', String],
  ['Server', 'uptime_s', 'Running for', (v) => seconds(Number(v))],
  ['Server', 'started_ns', 'Started', time],
  ['Server', 'memory_limit_bytes', 'Memory limit', limit],
  ['Server', 'retention.age_s', 'Keeps data for', (v) => (Number(v) ? days(Number(v)) : 'ever')],
  ['Server', 'retention.size_bytes', 'Keeps at most', (v) => (Number(v) ? size(v) : 'half of the free disk')],
  ['Stored', 'store.spans', 'Spans', whole],
  ['Stored', 'store.logs', 'Log records', whole],
  ['Stored', 'store.samples', 'Samples', whole],
  ['Stored', 'store.series', 'Series', whole],
  ['Stored', 'store.oldest_ns', 'Oldest', time],
  ['Stored', 'store.newest_ns', 'Newest', time],
  ['On disk', 'store.traces_bytes', 'Traces', size],
  ['On disk', 'store.logs_bytes', 'Logs', size],
  ['On disk', 'store.metrics_bytes', 'Metrics', size],
  ['On disk', 'store.wal_bytes', 'Write log', size],
  ['On disk', 'store.parts', 'Parts', whole],
  ['On disk', 'store.memory_bytes', 'In memory, not yet in a part', size],
];
const KNOWN = new Set(FIELDS.map(([, path]) => path));
const SKIPPED = /^(components\b|ready$)/;

interface Line { name: string; text: string }

/** Known fields in their order; what a newer server adds comes last, under its own name. */
function sectionsOf(facts: Fact[]): [string, Line[]][] {
  const values = new Map(facts.map((f) => [f.path, f.value]));
  const sections = new Map<string, Line[]>();
  const add = (section: string, name: string, text: string) =>
    sections.set(section, [...sections.get(section) ?? [], { name, text }]);
  for (const [section, path, name, format] of FIELDS) {
    if (values.has(path)) add(section, name, format(values.get(path)));
  }
  for (const f of facts) if (!KNOWN.has(f.path) && !SKIPPED.test(f.path)) add('Other', f.path, String(f.value));
  return [...sections];
}

export function StatusPage() {
  const answer = useQuery('status', weirStatus);
  return (
    <div class="page">
      <h1 class="visually-hidden">Status</h1>
      <Await answer={answer}>{(status) => <Facts status={status} busy={answer.busy} />}</Await>
      <SelfFigures />
    </div>
  );
}

function Facts({ status, busy }: { status: Record<string, unknown>; busy: boolean }) {
  const components = componentsOf(status);
  const ready = components.filter((c) => c.ready).length;
  return (
    <>
      <Panel flush busy={busy} title="Components" aside={(
        <span class={`badge ${ready === components.length ? 'ok' : 'bad'}`}>
          {ready === components.length ? 'all ready' : `${components.length - ready} of ${components.length} not ready`}
        </span>
      )}>
        <ComponentTable components={components} />
      </Panel>
      <div class="cards">
        {sectionsOf(factsOf(status)).map(([section, lines]) => (
          <Panel title={section}>
            <table class="kv plain">
              <tbody>{lines.map((l) => <tr><th scope="row">{l.name}</th><td class="num">{l.text}</td></tr>)}</tbody>
            </table>
          </Panel>
        ))}
      </div>
    </>
  );
}

const NAMES: Record<string, string> = { store: 'Store', ui: 'Page and query APIs', 'otlp/grpc': 'OTLP over gRPC', 'otlp/http': 'OTLP over HTTP' };

function ComponentTable({ components }: { components: Component[] }) {
  const now = Date.now();
  const columns: Column<Component>[] = [
    {
      id: 'ready', head: 'State', sort: (c) => (c.ready ? 1 : 0),
      cell: (c) => <span class={`badge ${c.ready ? 'ok' : 'bad'}`}>{c.ready ? 'ready' : 'not ready'}</span>,
    },
    { id: 'name', head: 'Component', sort: (c) => c.name, cell: (c) => <span class="strong">{NAMES[c.name] ?? c.name}</span> },
    { id: 'detail', head: 'Detail', wrap: true, cell: (c) => c.detail },
    { id: 'since', head: 'Since', num: true, sort: (c) => c.sinceMs, cell: (c) => (c.sinceMs ? <span title={dayClock(c.sinceMs)}>{ago(c.sinceMs, now)}</span> : '') },
    {
      id: 'error', head: 'Last error', wrap: true, cell: (c) => (c.lastError
        ? <span class="warn-text">{c.lastError}{c.lastErrorMs ? <span class="faint"> {ago(c.lastErrorMs, now)}</span> : null}</span>
        : <span class="faint">none</span>),
    },
  ];
  return <Table label="Components" columns={columns} rows={components} keyOf={(c) => c.name} sortBy="name" />;
}
