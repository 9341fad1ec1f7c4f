// SPDX-License-Identifier: Apache-2.0
// Delivery side by side: what each group received, committed, finished, lost.

import { runnerRows, type RunnerInput, type RunnerRow } from '../../lib/flow';
import { count } from '../../lib/format';
import { Spark } from '../../kit/chart';
import { Table, type Column } from '../../kit/table';
import type { Trends } from './queries';

const known = (v: number | null, tone = '') =>
  <span class={v ? tone : v === 0 ? 'zero' : 'faint'}>{count(v)}</span>;

/** One number when both bounds agree, else the two. */
function Loss({ row }: { row: RunnerRow }) {
  const { lostMin: min, lostMax: max } = row;
  if (max === null || max === min || min === null) return known(min ?? max, 'bad-text');
  return <span class="bad-text" title="Certain and possible loss: a killed predecessor's open messages cannot be known">{count(min)} to {count(max)}</span>;
}

const number = (id: keyof RunnerRow, head: string, title: string, tone = ''): Column<RunnerRow> => ({
  id, head, title, num: true, sort: (r) => r[id] as number | null, cell: (r) => known(r[id] as number | null, tone),
});

export function SemanticsTable({ input, trends }: { input: RunnerInput; trends: Trends | undefined }) {
  const rows = runnerRows(input);
  const trend = (r: RunnerRow) => trends?.consumed.find((t) =>
    t.metric.messaging_consumer_group_name === r.group && t.metric.messaging_destination_name === r.topic);
  const columns: Column<RunnerRow>[] = [
    {
      id: 'group', head: 'Group', sort: (r) => r.group,
      cell: (r) => <><div class="strong">{r.group}</div><div class="faint">{r.topic}</div></>,
    },
    { id: 'service', head: 'Service', roomy: true, sort: (r) => r.service, cell: (r) => r.service },
    ...(rows.some((r) => r.semantics)
      ? [{ id: 'semantics', head: 'Semantics', sort: (r: RunnerRow) => r.semantics,
           cell: (r: RunnerRow) => r.semantics && <span class="tag">{r.semantics.replace(/_/g, '-')}</span> }] : []),
    { id: 'trend', head: 'Processed', roomy: true, cell: (r) => <Spark values={trend(r)?.values ?? []} label={`Processed per second by ${r.group}`} /> },
    number('received', 'Received', 'Messages handed over by Kafka'),
    number('committed', 'Committed', 'Messages below the committed position'),
    number('ok', 'OK', 'Processed without an error'),
    number('failed', 'Failed', 'The handler gave an error', 'warn-text'),
    number('deadLettered', 'Dead-lettered', 'Kept in the dead-letter topic', 'warn-text'),
    {
      id: 'loss', head: 'Loss', num: true, sort: (r) => r.lostMin ?? r.lostMax, cell: (r) => <Loss row={r} />,
      title: 'committed − ok − dead-lettered − skipped − open, since the group began (a successor counts on)',
    },
    number('duplicates', 'Duplicates', 'Outcomes after the first of the same message', 'warn-text'),
    number('lag', 'Lag', 'End of the log minus committed, in messages'),
  ];
  return <Table label="Delivery by consumer group" columns={columns} rows={rows} keyOf={(r) => r.key} sortBy="group" />;
}
