// SPDX-License-Identifier: Apache-2.0
// Sends the mock's made-up data to a real server over OTLP/JSON, so that the page can be seen on it
// without a Kafka: node dev/feed.mjs --otlp http://127.0.0.1:4318 [--minutes 10] [--follow]
// First the last --minutes, then with --follow what comes, every 5 s.

import { allSeries, flowAt, slotsIn } from './data.mjs';

const flag = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const OTLP = flag('otlp', 'http://127.0.0.1:4318');
const STEP_S = 5;
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

const ns = (ms) => `${Math.round(ms)}000000`;
const value = (v) => ({ stringValue: String(v) });
const attributes = (o) => Object.entries(o).map(([key, v]) => ({ key, value: value(v) }));

/** Prometheus spelling back to the names and types that clients send. */
const METRICS = {
  messaging_client_sent_messages_total: ['messaging.client.sent.messages', '{message}', 'sum'],
  messaging_client_consumed_messages_total: ['messaging.client.consumed.messages', '{message}', 'sum'],
  messaging_client_operation_duration_seconds_bucket: ['messaging.client.operation.duration', 's', 'histogram'],
  messaging_process_duration_seconds_bucket: ['messaging.process.duration', 's', 'histogram'],
  weir_kafka_consumer_lag: ['weir.kafka.consumer.lag', '{message}', 'gauge'],
  weir_kafka_consumer_lag_time_seconds: ['weir.kafka.consumer.lag.time', 's', 'gauge'],
  weir_runner_received_total: ['weir.runner.received', '{message}', 'sum'],
  weir_runner_committed_total: ['weir.runner.committed', '{message}', 'sum'],
  weir_runner_processed_total: ['weir.runner.processed', '{message}', 'sum'],
  weir_runner_duplicates_total: ['weir.runner.duplicates', '{message}', 'sum'],
  weir_runner_in_flight: ['weir.runner.in_flight', '{message}', 'gauge'],
  weir_runner_lost: ['weir.runner.lost', '{message}', 'gauge'],
};
const LABELS = {
  messaging_destination_name: 'messaging.destination.name', messaging_consumer_group_name: 'messaging.consumer.group.name',
  messaging_destination_partition_id: 'messaging.destination.partition.id', messaging_operation_name: 'messaging.operation.name',
  messaging_operation_type: 'messaging.operation.type', error_type: 'error.type', outcome: 'outcome', bound: 'bound',
  weir_runner_semantics: 'weir.runner.semantics',
};

/** Bucket counts of `total` observations, exponentially spread with the given 95th percentile. */
function buckets(total, p95) {
  const rate = 3 / p95;
  const below = [...BOUNDS.map((b) => Math.round(total * (1 - Math.exp(-rate * b)))), total];
  return below.map((n, i) => String(n - (below[i - 1] ?? 0)));
}

function point(series, type, seconds) {
  const labels = Object.entries(series.labels).filter(([k]) => LABELS[k]).map(([k, v]) => [LABELS[k], v]);
  const common = { attributes: attributes(Object.fromEntries(labels)), startTimeUnixNano: ns((seconds - (seconds % 86400)) * 1000), timeUnixNano: ns(seconds * 1000) };
  if (type !== 'histogram') return { ...common, asDouble: series.value(seconds) };
  const total = Math.round(series.rate(0) * (seconds % 86400));
  const p95 = series.quantile(seconds);
  return { ...common, count: String(total), sum: (total * p95) / 3, bucketCounts: buckets(total, series.quantile(0)), explicitBounds: BOUNDS };
}

function metricsAt(seconds) {
  const services = new Map();
  for (const s of allSeries()) {
    const known = METRICS[s.name];
    if (!known) continue;
    const metrics = services.get(s.labels.service_name) ?? new Map();
    services.set(s.labels.service_name, metrics);
    const [name, unit, type] = known;
    const metric = metrics.get(name) ?? { name, unit, type, points: [] };
    metrics.set(name, metric);
    metric.points.push(point(s, type, seconds));
  }
  return { resourceMetrics: [...services].map(([service, metrics]) => ({
    resource: { attributes: attributes({ 'service.name': service, 'service.instance.id': `${service}-1` }) },
    scopeMetrics: [{ scope: { name: 'weir.kafka' }, metrics: [...metrics.values()].map(({ name, unit, type, points }) => ({
      name, unit, [type]: { dataPoints: points, ...(type === 'gauge' ? {} : { aggregationTemporality: 2 }), ...(type === 'sum' ? { isMonotonic: true } : {}) },
    })) }],
  })) };
}

const SEVERITY = { DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17 };

const logsOf = (flow) => ({ resourceLogs: flow.logs.map((l) => ({
  resource: { attributes: attributes({ 'service.name': l.service, 'service.version': '0.1.0' }) },
  scopeLogs: [{ logRecords: [{ timeUnixNano: String(l.ns), severityText: l.level, severityNumber: SEVERITY[l.level], body: value(l.line), traceId: l.trace, spanId: l.span }] }],
})) });

async function post(path, body) {
  const answer = await fetch(OTLP + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

/** Everything of (from, to], milliseconds. */
async function send(from, to) {
  for (const slot of slotsIn(from + 1, to)) {
    const flow = flowAt(slot);
    await post('/v1/traces', { resourceSpans: flow.resourceSpans });
    await post('/v1/logs', logsOf(flow));
  }
  for (let s = Math.ceil((from + 1) / 1000 / STEP_S) * STEP_S; s * 1000 <= to; s += STEP_S) await post('/v1/metrics', metricsAt(s));
}

let sent = Date.now() - Number(flag('minutes', 10)) * 60e3;
do {
  const now = Date.now();
  await send(sent, now);
  sent = now;
  if (process.argv.includes('--follow')) await new Promise((done) => setTimeout(done, STEP_S * 1000));
} while (process.argv.includes('--follow'));
