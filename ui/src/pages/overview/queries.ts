// SPDX-License-Identifier: Apache-2.0
// What the overview asks of PromQL. Every number comes from metrics on all messages, none from
// sampled spans.

import type { FlowInput, RunnerInput, Sample } from '../../lib/flow';
import { onGrid } from '../../lib/matrix';
import { alignRange, rateWindow, stepFor, type Range } from '../../lib/time';
import { promInstant, promRange } from '../../state/api';

const PRODUCER = 'service_name, messaging_destination_name';
const CONSUMER = `${PRODUCER}, messaging_consumer_group_name`;
const SENT = 'messaging_client_sent_messages_total';
const CONSUMED = 'messaging_client_consumed_messages_total';
const SEND_TIME = 'messaging_client_operation_duration_seconds_bucket{messaging_operation_type="send"}';
const PROCESS = 'messaging_process_duration_seconds';
const LOST = '{__name__=~"weir_runner_lost(_total)?"}';

/** A partition's count goes on from its predecessor's, so two owners' series are one: the larger. */
const perPartition = (selector: string, by: string) =>
  `sum by (${by}) (max by (${by}, messaging_destination_partition_id) (${selector}))`;
const withError = (name: string) => `${name}{error_type!=""}`;
const rates = (name: string, by: string, w: string) => `sum by (${by}) (rate(${name}[${w}]))`;
const p95 = (bucket: string, by: string, w: string) =>
  `histogram_quantile(0.95, sum by (le, ${by}) (rate(${bucket}[${w}])))`;

export function flowQueries(windowS: number): Record<keyof FlowInput, string> {
  const w = `${windowS}s`;
  return {
    sent: rates(SENT, PRODUCER, w),
    sentErrors: rates(withError(SENT), PRODUCER, w),
    sendP95: p95(SEND_TIME, PRODUCER, w),
    consumed: rates(CONSUMED, CONSUMER, w),
    consumedErrors: rates(withError(CONSUMED), CONSUMER, w),
    processed: rates(`${PROCESS}_count`, CONSUMER, w),
    processedErrors: rates(withError(`${PROCESS}_count`), CONSUMER, w),
    processP95: p95(`${PROCESS}_bucket`, CONSUMER, w),
    lag: `sum by (${CONSUMER}) (weir_kafka_consumer_lag)`,
    lost: perPartition(LOST.replace('}', ',bound="min"}'), CONSUMER),
    runner: rates('weir_runner_received_total', CONSUMER, w),
  };
}

export type Period = 'total' | 'range';

export function runnerQueries(period: Period, rangeS: number): Record<keyof RunnerInput, string> {
  const counter = (name: string) => (period === 'total' ? name : `increase(${name}[${rangeS}s])`);
  const by = `${CONSUMER}, weir_runner_semantics`;
  return {
    received: `sum by (${by}) (${counter('weir_runner_received_total')})`,
    committed: `sum by (${by}) (${counter('weir_runner_committed_total')})`,
    processed: `sum by (${by}, outcome) (${counter('weir_runner_processed_total')})`,
    lost: perPartition(LOST, `${by}, bound`),
    duplicates: `sum by (${by}) (${counter('weir_runner_duplicates_total')})`,
    inFlight: `sum by (${by}) (weir_runner_in_flight)`,
    lag: 'sum by (messaging_destination_name, messaging_consumer_group_name) (weir_kafka_consumer_lag)',
  };
}

/** Asks all at once. One failing query leaves its numbers out; only if all fail is that an error. */
export async function askAll<K extends string>(
  queries: Record<K, string>, timeMs: number, signal: AbortSignal,
): Promise<Record<K, Sample[]>> {
  const keys = Object.keys(queries) as K[];
  const settled = await Promise.allSettled(keys.map((k) => promInstant(queries[k], timeMs, signal)));
  const failed = settled.filter((s): s is PromiseRejectedResult => s.status === 'rejected');
  if (failed.length === keys.length) throw failed[0]!.reason;
  return Object.fromEntries(keys.map((k, i) => {
    const s = settled[i]!;
    return [k, s.status === 'fulfilled' ? s.value : []];
  })) as Record<K, Sample[]>;
}

export interface Trend { metric: Record<string, string>; values: (number | null)[] }
export interface Trends { sent: Trend[]; consumed: Trend[]; errors: Trend[]; lag: Trend[] }

const POINTS = 60;

/** Sparklines: the same rates over the range. */
export async function askTrends(range: Range, signal: AbortSignal): Promise<Trends> {
  const step = stepFor(range, POINTS);
  const grid = alignRange(range, step);
  const w = `${rateWindow({ start: 0, end: 0 }, step)}s`;
  const ask = async (query: string): Promise<Trend[]> => {
    const { series } = await promRange(query, grid, step, signal);
    return onGrid(series, grid, step).rows;
  };
  const group = 'messaging_destination_name, messaging_consumer_group_name';
  const queries = [
    rates(SENT, 'messaging_destination_name', w),
    rates(`${PROCESS}_count`, group, w),
    rates(withError(`${PROCESS}_count`), group, w),
    `sum by (${group}) (weir_kafka_consumer_lag)`,
  ];
  const [sent, consumed, errors, lag] = (await Promise.allSettled(queries.map(ask)))
    .map((s) => (s.status === 'fulfilled' ? s.value : []));
  return { sent: sent!, consumed: consumed!, errors: errors!, lag: lag! };
}
