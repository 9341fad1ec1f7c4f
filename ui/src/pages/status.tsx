// SPDX-License-Identifier: Apache-2.0
// How the server itself is: components, what it stores, versions.

import { Await, Panel } from '../kit/basics';
import { Table, type Column } from '../kit/table';
import { ago, bytes, count, dayClock, seconds } from '../lib/format';
import { componentsOf, factsOf, timeMs, type Component, type Fact } from '../lib/status';
import { weirStatus } from '../state/api';
import { useQuery } from '../state/use-query';
import { SelfFigures } from './status-self';

const WORDS: Record<string, string> = { wal: 'write log', logs: 'log records', otlp: 'OTLP' };

/** "uptime_s" → "Uptime", "wal_bytes" → "Write log". */
function title(path: string): string {
  const words = path.replace(/_(bytes|seconds|s|ns)$/, '').split(/[._]/);
  const text = words.map((w) => WORDS[w] ?? w).join(' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function valueOf({ path, value }: Fact): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const n = Number(value);
  if (path.endsWith('_ns')) {
    const ms = timeMs(n);
    return ms ? dayClock(ms) : '–';
  }
  if (path.endsWith('_bytes')) return bytes(n);
  if (/_(s|seconds)$/.test(path)) return seconds(n);
  if (typeof value === 'string') return value || '–';
  return Number.isInteger(n) ? count(n) : String(value);
}

const SKIPPED = /^components\b/;

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
  const facts = factsOf(status).filter((f) => !SKIPPED.test(f.path));
  const groups = new Map<string, Fact[]>();
  for (const f of facts) {
    const dot = f.path.indexOf('.');
    const section = dot > 0 ? f.path.slice(0, dot) : 'server';
    groups.set(section, [...groups.get(section) ?? [], { ...f, path: dot > 0 ? f.path.slice(dot + 1) : f.path }]);
  }
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
        {[...groups].map(([section, list]) => (
          <Panel title={title(section)}>
            <table class="kv plain">
              <tbody>{list.map((f) => <tr><th scope="row">{title(f.path)}</th><td class="num">{valueOf(f)}</td></tr>)}</tbody>
            </table>
          </Panel>
        ))}
      </div>
    </>
  );
}

function ComponentTable({ components }: { components: Component[] }) {
  const now = Date.now();
  const columns: Column<Component>[] = [
    {
      id: 'ready', head: 'State', sort: (c) => (c.ready ? 1 : 0),
      cell: (c) => <span class={`badge ${c.ready ? 'ok' : 'bad'}`}>{c.ready ? 'ready' : 'not ready'}</span>,
    },
    { id: 'name', head: 'Component', sort: (c) => c.name, cell: (c) => <span class="strong">{c.name}</span> },
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
