// SPDX-License-Identifier: Apache-2.0
// Rows of the consumer group table out of instant vectors.

import type { Sample } from './flow';

export interface GroupInput {
  lag: Sample[]; lagTime: Sample[]; end: Sample[]; committed: Sample[]; rate: Sample[]; consumed: Sample[];
}

export interface GroupRow {
  key: string; group: string; topic: string; partition: string; partitions: number;
  end: number | null; committed: number | null; lag: number | null; lagTime: number | null; rate: number | null;
  trend: (number | null)[];
}

interface Trend { metric: Record<string, string>; values: (number | null)[] }

const keyOf = (m: Record<string, string>): string =>
  [m.messaging_consumer_group_name, m.messaging_destination_name, m.messaging_destination_partition_id].join('\n');

/** One row per group, topic and partition that any of the inputs names. */
export function groupRows(input: GroupInput, trends: Trend[]): GroupRow[] {
  const rows = new Map<string, GroupRow>();
  const row = (m: Record<string, string>): GroupRow | null => {
    const group = m.messaging_consumer_group_name;
    const topic = m.messaging_destination_name;
    const partition = m.messaging_destination_partition_id;
    if (!group || !topic || partition === undefined || partition === '') return null;
    const key = keyOf(m);
    let r = rows.get(key);
    if (!r) {
      r = { key, group, topic, partition, partitions: 1, end: null, committed: null, lag: null, lagTime: null, rate: null, trend: [] };
      rows.set(key, r);
    }
    return r;
  };
  const fill = (samples: Sample[], field: 'lag' | 'lagTime' | 'end' | 'committed' | 'rate') => {
    for (const s of samples) {
      const r = row(s.metric);
      if (r && !Number.isNaN(s.value)) r[field] = s.value;
    }
  };
  fill(input.lag, 'lag');
  fill(input.lagTime, 'lagTime');
  fill(input.end, 'end');
  fill(input.committed, 'committed');
  fill(input.consumed, 'rate');
  fill(input.rate, 'rate');
  for (const t of trends) {
    const r = rows.get(keyOf(t.metric));
    if (r) r.trend = t.values;
  }
  return [...rows.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

const plus = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : a + b);

/** Partitions of a group and topic added up; of times behind the worst counts. */
export function sumByGroup(rows: GroupRow[]): GroupRow[] {
  const out = new Map<string, GroupRow>();
  for (const r of rows) {
    const key = `${r.group}\n${r.topic}`;
    const sum = out.get(key);
    if (!sum) {
      out.set(key, { ...r, key, partition: '', trend: [...r.trend] });
      continue;
    }
    sum.partitions++;
    sum.end = plus(sum.end, r.end);
    sum.committed = plus(sum.committed, r.committed);
    sum.lag = plus(sum.lag, r.lag);
    sum.rate = plus(sum.rate, r.rate);
    sum.lagTime = sum.lagTime === null ? r.lagTime : Math.max(sum.lagTime, r.lagTime ?? 0);
    r.trend.forEach((v, i) => { sum.trend[i] = plus(sum.trend[i] ?? null, v); });
  }
  return [...out.values()];
}
