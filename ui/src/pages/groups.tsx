// SPDX-License-Identifier: Apache-2.0
// Consumer groups: lag by group, topic and partition.

import { useMemo } from 'preact/hooks';

import { Await, Choice, Panel } from '../kit/basics';
import { Spark } from '../kit/chart';
import { NothingYet } from '../kit/empty';
import { Table, type Column } from '../kit/table';
import { count, num, plural, rate, seconds } from '../lib/format';
import { groupRows, sumByGroup, type GroupInput, type GroupRow } from '../lib/groups';
import { onGrid } from '../lib/matrix';
import { quote } from '../lib/query';
import { alignRange, rateWindow, stepFor } from '../lib/time';
import { promRange } from '../state/api';
import { range } from '../state/range';
import { href, params, setParams } from '../state/route';
import { useQuery } from '../state/use-query';
import { askAll } from './overview/queries';

const BY = 'messaging_consumer_group_name, messaging_destination_name, messaging_destination_partition_id';

function queries(windowS: number): Record<keyof GroupInput, string> {
  const last = (name: string) => `max by (${BY}) (${name})`;
  return {
    lag: last('weir_kafka_consumer_lag'),
    lagTime: last('weir_kafka_consumer_lag_time_seconds'),
    end: last('weir_kafka_partition_end_offset'),
    committed: last('weir_kafka_consumer_committed_offset'),
    rate: `sum by (${BY}) (rate(messaging_process_duration_seconds_count[${windowS}s]))`,
    consumed: `sum by (${BY}) (rate(messaging_client_consumed_messages_total[${windowS}s]))`,
  };
}

export function GroupsPage() {
  const view = params.value.get('by') === 'group' ? 'group' : 'partition';
  const filter = (params.value.get('filter') ?? '').toLowerCase();
  const answer = useQuery('groups', (signal) => askAll(queries(rateWindow(range.value)), range.value.end, signal));
  const trends = useQuery('group-trends', async (signal) => {
    const step = stepFor(range.value, 60);
    const grid = alignRange(range.value, step);
    const { series } = await promRange(`max by (${BY}) (weir_kafka_consumer_lag)`, grid, step, signal);
    return onGrid(series, grid, step).rows;
  });
  const rows = useMemo(() => {
    if (!answer.data) return [];
    const all = groupRows(answer.data, trends.data ?? []);
    return view === 'group' ? sumByGroup(all) : all;
  }, [answer.data, trends.data, view]);
  const shown = rows.filter((r) => `${r.group} ${r.topic} ${r.partition}`.toLowerCase().includes(filter));
  const has = (id: keyof GroupRow) => rows.some((r) => r[id] !== null);

  const number = (id: 'end' | 'committed' | 'lag', head: string, title: string): Column<GroupRow> => ({
    id, head, title, num: true, sort: (r) => r[id], cell: (r) => (
      <span class={id === 'lag' ? (r.lag ? 'strong' : 'zero') : ''}>{count(r[id])}</span>),
  });
  const columns: Column<GroupRow>[] = [
    { id: 'group', head: 'Group', sort: (r) => r.group, cell: (r) => <span class="strong">{r.group}</span> },
    { id: 'topic', head: 'Topic', sort: (r) => r.topic, cell: (r) => r.topic },
    ...(view === 'partition'
      ? [{ id: 'partition', head: 'Partition', num: true, sort: (r: GroupRow) => Number(r.partition), cell: (r: GroupRow) => r.partition }]
      : [{ id: 'partitions', head: 'Partitions', num: true, sort: (r: GroupRow) => r.partitions, cell: (r: GroupRow) => r.partitions }]),
    ...(has('end') ? [number('end', 'End', 'End of the log')] : []),
    ...(has('committed') ? [number('committed', 'Committed', 'Next offset that the group will read after a restart')] : []),
    number('lag', 'Lag', 'End minus committed, in messages'),
    {
      id: 'lagTime', head: 'Behind', title: 'Age of the next message to be committed', num: true,
      sort: (r) => r.lagTime, cell: (r) => seconds(r.lagTime),
    },
    { id: 'rate', head: 'Rate', num: true, sort: (r) => r.rate, cell: (r) => rate(r.rate) },
    {
      id: 'drain', head: 'To drain', title: 'Lag divided by the rate', num: true,
      sort: (r) => (!r.lag ? 0 : r.rate === null ? null : r.lag / r.rate),
      cell: (r) => (r.lag ? (r.rate ? seconds(r.lag / r.rate) : r.rate === 0 ? 'never' : count(null)) : <span class="zero">0 s</span>),
    },
    { id: 'trend', head: 'Lag over the range', cell: (r) => <Spark values={r.trend} label={`Lag of ${r.group} on ${r.topic} ${r.partition}`} width={140} /> },
    {
      id: 'links', head: '', cell: (r) => (
        <a href={href('metrics', { q: `weir_kafka_consumer_lag{messaging_consumer_group_name=${quote(r.group)},messaging_destination_name=${quote(r.topic)}}`, filter: null })}>Chart</a>),
    },
  ];
  return (
    <div class="page">
      <h1 class="visually-hidden">Consumer groups</h1>
      <div class="filters">
        <label class="grow">Filter
          <input type="search" data-main-search value={params.value.get('filter') ?? ''} placeholder="group, topic or partition"
            onInput={(e) => setParams({ filter: e.currentTarget.value }, true)} />
        </label>
        <Choice label="Rows" value={view} options={[['partition', 'By partition'], ['group', 'By group and topic']]}
          onChange={(v) => setParams({ by: v === 'group' ? 'group' : null }, true)} />
      </div>
      <Panel flush busy={answer.busy} title={answer.data && plural(shown.length, view === 'partition' ? 'partition' : 'row')}
        aside={rows.length > 0 && <span class="faint">Total lag {num(shown.reduce((s, r) => s + (r.lag ?? 0), 0))}</span>}>
        <Await answer={answer}>
          {() => (rows.length
            ? shown.length
              ? <Table key={view} label="Consumer groups" columns={columns} rows={shown} keyOf={(r) => r.key} sortBy="group" />
              : <div class="empty"><h3>Nothing matches the filter</h3></div>
            : <NothingYet topic="kafka" />)}
        </Await>
      </Panel>
    </div>
  );
}
