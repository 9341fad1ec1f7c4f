// SPDX-License-Identifier: Apache-2.0
// What fires, what is about to, and the rules behind it.

import { Await, Panel } from '../kit/basics';
import { Table, type Column } from '../kit/table';
import { ago, dayClock, num, plural, seconds } from '../lib/format';
import { promRules, type AlertNow, type Rule, type RuleGroup } from '../state/api';
import { href } from '../state/route';
import { useQuery } from '../state/use-query';

export function AlertsPage() {
  const answer = useQuery('rules', promRules);
  return (
    <div class="page">
      <h1 class="visually-hidden">Alerts</h1>
      <Await answer={answer}>{(groups) => (groups.length ? <Groups groups={groups} busy={answer.busy} /> : <NoRules />)}</Await>
    </div>
  );
}

function NoRules() {
  return (
    <div class="empty">
      <h3>No rules yet</h3>
      <p>Start the server with <code>--rules FILE</code>; the file has Prometheus' shape.</p>
    </div>
  );
}

interface Row { key: string; alert: AlertNow }

function Groups({ groups, busy }: { groups: RuleGroup[]; busy: boolean }) {
  const rules = groups.flatMap((g) => g.rules.map((rule) => ({ group: g.name, rule })));
  const active: Row[] = rules.flatMap(({ rule }) => (rule.alerts ?? []).map((alert) => ({ key: JSON.stringify(alert.labels), alert })));
  const firing = active.filter((r) => r.alert.state === 'firing').length;
  return (
    <>
      <Panel flush busy={busy} title="Now" aside={(
        <span class={`badge ${firing ? 'bad' : 'ok'}`}>{firing ? `${plural(firing, 'alert')} firing` : 'nothing fires'}</span>
      )}>
        {active.length ? <ActiveTable rows={active} /> : <p class="pad faint">No alert is pending or firing.</p>}
      </Panel>
      {groups.map((g) => (
        <Panel flush title={g.name} aside={<span class="faint" title={g.file}>every {seconds(g.interval)}</span>}>
          <RuleTable rules={g.rules} />
        </Panel>
      ))}
    </>
  );
}

const plain = (labels: Record<string, string>) =>
  Object.entries(labels).filter(([name]) => name !== 'alertname').map(([name, value]) => `${name}=${value}`).join('  ');

function ActiveTable({ rows }: { rows: Row[] }) {
  const now = Date.now();
  const columns: Column<Row>[] = [
    {
      id: 'state', head: 'State', sort: (r) => (r.alert.state === 'firing' ? 0 : 1),
      cell: (r) => <span class={`badge ${r.alert.state === 'firing' ? 'bad' : ''}`}>{r.alert.state}</span>,
    },
    { id: 'name', head: 'Alert', sort: (r) => r.alert.labels.alertname ?? '', cell: (r) => <span class="strong">{r.alert.labels.alertname}</span> },
    {
      id: 'says', head: 'What', wrap: true, cell: (r) => {
        const { summary, description, ...others } = r.alert.annotations;
        return (
          <>
            {summary ?? description ?? Object.values(others)[0] ?? ''}
            <div class="faint">{plain(r.alert.labels)}</div>
          </>
        );
      },
    },
    { id: 'value', head: 'Value', num: true, sort: (r) => Number(r.alert.value), cell: (r) => num(Number(r.alert.value)) },
    {
      id: 'since', head: 'Since', num: true, sort: (r) => Date.parse(r.alert.activeAt),
      cell: (r) => <span title={dayClock(Date.parse(r.alert.activeAt))}>{ago(Date.parse(r.alert.activeAt), now)}</span>,
    },
  ];
  return <Table label="Alerts" columns={columns} rows={rows} keyOf={(r) => r.key} sortBy="state" />;
}

function RuleTable({ rules }: { rules: Rule[] }) {
  const columns: Column<Rule>[] = [
    {
      id: 'state', head: 'State', sort: (r) => r.state ?? 'record', cell: (r) => (r.health === 'err'
        ? <span class="badge bad" title={r.lastError}>error</span>
        : <span class={`badge ${r.state === 'firing' ? 'bad' : r.state === 'inactive' ? 'ok' : ''}`}>{r.state ?? 'records'}</span>),
    },
    { id: 'name', head: 'Rule', sort: (r) => r.name, cell: (r) => <span class="strong">{r.name}</span> },
    {
      id: 'query', head: 'Expression', wrap: true, cell: (r) => (
        <>
          <a href={href('metrics', { q: r.query })}><code>{r.query}</code></a>
          {r.lastError ? <div class="warn-text">{r.lastError}</div> : null}
        </>
      ),
    },
    { id: 'for', head: 'For', num: true, sort: (r) => r.duration ?? 0, cell: (r) => (r.duration ? seconds(r.duration) : '') },
    { id: 'took', head: 'Took', num: true, sort: (r) => r.evaluationTime, cell: (r) => seconds(r.evaluationTime) },
  ];
  return <Table label="Rules" columns={columns} rows={rules} keyOf={(r) => `${r.name} ${r.query}`} sortBy="name" />;
}
