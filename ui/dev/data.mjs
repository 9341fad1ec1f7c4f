// SPDX-License-Identifier: Apache-2.0
// Seeded data for the mock server: two pipelines, their series, traces and log lines. The same
// time always gives the same answer, so that screenshots and tests can be compared.

/** A small deterministic generator (mulberry32). */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const hex = (next, digits) => Array.from({ length: digits }, () => '0123456789abcdef'[Math.floor(next() * 16)]).join('');
const attr = (key, v) => ({
  key,
  value: typeof v === 'number' ? { intValue: String(v) } : typeof v === 'boolean' ? { boolValue: v } : { stringValue: v },
});
const attrs = (o) => Object.entries(o).filter(([, v]) => v !== undefined).map(([k, v]) => attr(k, v));

// ---- series ----------------------------------------------------------------------------------------

const PIPES = [
  { producer: 'metrics-generator', topic: 'metrics', service: 'metrics-at-most-once', group: 'metrics-processor', rate: 148, fail: 0.012, p95: 0.0042, lag: 22, semantics: 'at_most_once', partitions: 4 },
  { producer: 'orders-api', topic: 'orders', service: 'orders-at-least-once', group: 'orders-processor', rate: 61, fail: 0.03, p95: 0.031, lag: 340, semantics: 'at_least_once', partitions: 6 },
  { producer: 'orders-at-least-once', topic: 'receipts', service: 'billing', group: 'billing', rate: 59, fail: 0, p95: 0.0085, lag: 3, semantics: 'at_least_once', partitions: 3 },
];
const DLT = { producer: 'orders-at-least-once', topic: 'orders.dlt', rate: 1.8 };

/** Smooth, seeded movement around 1. */
export function wave(t, seed) {
  return 1 + 0.18 * Math.sin(t / 97 + seed) + 0.09 * Math.sin(t / 23 + seed * 3) + 0.05 * Math.sin(t / 7 + seed * 7);
}

const label = (p, extra = {}) => ({ service_name: p.service, messaging_destination_name: p.topic, messaging_consumer_group_name: p.group, job: p.service, instance: `${p.service}-1`, ...extra });
const sender = (p, extra = {}) => ({ service_name: p.producer, messaging_destination_name: p.topic, job: p.producer, instance: `${p.producer}-1`, ...extra });
const START = 1700000000;

/** [name, labels, value(t), rate(t)] of every series. */
export function allSeries() {
  const out = [];
  const counter = (name, labels, perSecond, seed) => out.push({
    name, labels, rate: (t) => perSecond * wave(t, seed), value: (t) => Math.round(perSecond * ((t - START) % 86400)),
  });
  const gauge = (name, labels, value) => out.push({ name, labels, value, rate: () => 0 });
  [...PIPES, DLT].forEach((p, i) => {
    counter('messaging_client_sent_messages_total', sender(p), p.rate, i);
    if (i === 1) counter('messaging_client_sent_messages_total', sender(p, { error_type: '_MSG_TIMED_OUT' }), 0.06, i);
    out.push({ name: 'messaging_client_operation_duration_seconds_bucket', labels: sender(p, { messaging_operation_type: 'send', messaging_operation_name: 'send', le: '+Inf' }), quantile: (t) => 0.0021 * (i + 1) * wave(t, i + 9), rate: (t) => p.rate * wave(t, i), value: () => 1 });
  });
  PIPES.forEach((p, i) => {
    counter('messaging_client_consumed_messages_total', label(p), p.rate, i);
    for (let part = 0; part < p.partitions; part++) {
      counter('messaging_process_duration_seconds_count', label(p, { messaging_destination_partition_id: String(part) }), (p.rate * (1 - p.fail)) / p.partitions, i + part);
    }
    if (p.fail) counter('messaging_process_duration_seconds_count', label(p, { error_type: 'bad_record' }), p.rate * p.fail, i);
    counter('messaging_process_duration_seconds_sum', label(p), p.rate * p.p95 * 0.4, i);
    const bucket = (labels, perSecond) => out.push({ name: 'messaging_process_duration_seconds_bucket', labels: label(p, { le: '+Inf', ...labels }), quantile: (t) => p.p95 * wave(t, i + 5), rate: (t) => perSecond * wave(t, i), value: () => 1 });
    bucket({}, p.rate * (1 - p.fail));
    if (p.fail) bucket({ error_type: 'bad_record' }, p.rate * p.fail);
    for (let part = 0; part < p.partitions; part++) {
      const on = label(p, { messaging_destination_partition_id: String(part) });
      const lag = (t) => Math.max(0, Math.round((p.lag / p.partitions) * (wave(t, i + part) + (part === 2 && i === 1 ? 2.5 * (1 + Math.sin(t / 60)) : 0))));
      gauge('weir_kafka_consumer_lag', on, lag);
      gauge('weir_kafka_consumer_lag_time_seconds', on, (t) => (lag(t) / p.rate) * 1.3);
    }
    const run = label(p, { weir_runner_semantics: p.semantics });
    counter('weir_runner_received_total', run, p.rate, i);
    counter('weir_runner_committed_total', run, p.rate, i);
    counter('weir_runner_processed_total', { ...run, outcome: 'ok' }, p.rate * (1 - p.fail), i);
    if (p.fail) counter('weir_runner_processed_total', { ...run, outcome: 'failed' }, p.rate * p.fail, i);
    if (i === 1) counter('weir_runner_processed_total', { ...run, outcome: 'dead_lettered' }, p.rate * p.fail, i);
    counter('weir_runner_duplicates_total', run, i === 1 ? 0.002 : 0, i);
    gauge('weir_runner_in_flight', run, () => i + 2);
    gauge('weir_runner_lost', { ...run, bound: 'min' }, (t) => (i === 0 ? Math.round(p.rate * p.fail * ((t - START) % 86400)) : 0));
    gauge('weir_runner_lost', { ...run, bound: 'max' }, (t) => (i === 0 ? Math.round(p.rate * p.fail * ((t - START) % 86400)) + 4 : 0));
    gauge('process_memory_usage_bytes', { service_name: p.service, job: p.service }, (t) => 9.1e6 * wave(t / 50, i));
  });
  const self = (name, labels, value, perSecond = 0) => out.push({ name, labels: { ...labels, job: 'weir', service_name: 'weir' }, value, rate: (t) => perSecond * wave(t, name.length) });
  self('otelcol_receiver_accepted_spans_total', {}, (t) => t, 1210);
  self('otelcol_receiver_accepted_log_records_total', {}, (t) => t, 830);
  self('otelcol_receiver_accepted_metric_points_total', {}, (t) => t, 96);
  self('weir_store_disk_bytes', {}, (t) => 48e6 + 9e3 * (t % 3600));
  self('weir_store_memory_bytes', {}, (t) => 21e6 * wave(t, 3));
  self('weir_store_parts', {}, (t) => 9 + (Math.floor(t / 60) % 7));
  return out;
}

export const METADATA = {
  messaging_client_sent_messages_total: ['counter', 'Messages that a producer tried to send.', ''],
  messaging_client_consumed_messages_total: ['counter', 'Messages handed over to the application.', ''],
  messaging_client_operation_duration_seconds: ['histogram', 'Duration of a messaging operation of the client.', 's'],
  messaging_process_duration_seconds: ['histogram', 'Duration of processing one message.', 's'],
  weir_kafka_consumer_lag: ['gauge', 'End of the log minus the committed offset.', ''],
  weir_kafka_consumer_lag_time_seconds: ['gauge', 'Age of the next message to be committed.', 's'],
  weir_runner_received_total: ['counter', 'Messages that the runner received.', ''],
  weir_runner_committed_total: ['counter', 'Messages below the committed position.', ''],
  weir_runner_processed_total: ['counter', 'Messages finished, by outcome.', ''],
  weir_runner_lost: ['gauge', 'Messages committed and never finished.', ''],
  process_memory_usage_bytes: ['gauge', 'Resident memory of the process.', 'By'],
};

// ---- traces ----------------------------------------------------------------------------------------

const EVERY_MS = 2400;

/** One flow per slot of time: a batch of two messages, polled together, processed one by one. */
export function flowAt(slot) {
  const next = random(slot * 7919 + 17);
  const atLeastOnce = slot % 2 === 0;
  const p = PIPES[atLeastOnce ? 1 : 0];
  const start = BigInt(slot * EVERY_MS) * 1000000n;
  const at = (ms) => start + BigInt(Math.round(ms * 1e6));
  const ids = { pollTrace: hex(next, 32), poll: hex(next, 16) };
  const batches = new Map();
  const logs = [];
  const traces = [];
  const add = (service, traceId, spanId, parent, name, kind, from, to, attributes, more = {}) => {
    const list = batches.get(service) ?? [];
    batches.set(service, list);
    list.push({ traceId, spanId, ...(parent ? { parentSpanId: parent } : {}), name, kind, startTimeUnixNano: String(at(from)), endTimeUnixNano: String(at(to)), attributes: attrs(attributes), ...more });
  };
  const kafka = (op, type, extra) => ({ 'messaging.system': 'kafka', 'messaging.operation.name': op, 'messaging.operation.type': type, 'messaging.destination.name': p.topic, ...extra });
  let clock = 9;
  const messages = [];
  for (let m = 0; m < 2; m++) {
    const msg = { trace: hex(next, 32), send: hex(next, 16), offset: slot * 2 + m, partition: String((slot + m) % p.partitions), bad: next() < 0.12, m };
    messages.push(msg);
    let parent;
    if (atLeastOnce) {
      parent = hex(next, 16);
      add(p.producer, msg.trace, parent, '', 'POST /orders', 2, m * 0.8, 7 + m, { 'http.request.method': 'POST', 'url.path': '/orders', 'http.response.status_code': 202 });
    }
    add(p.producer, msg.trace, msg.send, parent, `send ${p.topic}`, 4, m * 0.8 + 0.6, 5.1 + m, kafka('send', 'send', { 'messaging.destination.partition.id': msg.partition, 'messaging.kafka.offset': msg.offset, 'messaging.client.id': `${p.producer}-1`, 'server.address': '127.0.0.1', 'server.port': 9092 }));
  }
  const links = messages.map((m) => ({ traceId: m.trace, spanId: m.send, attributes: attrs({ 'messaging.kafka.offset': m.offset, 'messaging.destination.partition.id': m.partition }) }));
  const pollEnd = clock + 1.2;
  add(p.service, ids.pollTrace, ids.poll, '', `poll ${p.topic}`, 3, clock, pollEnd, kafka('poll', 'receive', { 'messaging.consumer.group.name': p.group, 'messaging.batch.message_count': 2 }), { links });
  const commit = (from) => add(p.service, ids.pollTrace, hex(next, 16), ids.poll, `commit ${p.topic}`, 3, from, from + 2.1, kafka('commit', 'settle', { 'messaging.consumer.group.name': p.group, 'weir.kafka.offsets': messages.map((m) => `${m.partition}:${m.offset + 1}`).join(',') }));
  clock = pollEnd + 0.3;
  if (!atLeastOnce) { commit(clock); clock += 2.6; }
  let end = clock;
  for (const msg of messages) {
    const took = (atLeastOnce ? 8 : 1.4) * (0.6 + next() * (next() < 0.06 ? 30 : 1.6));
    const process = hex(next, 16);
    const from = clock + msg.m * 0.5;
    const error = msg.bad ? { status: { code: 2, message: 'value is not a number' }, events: [{ timeUnixNano: String(at(from + took * 0.8)), name: 'exception', attributes: attrs({ 'exception.type': 'bad_record', 'exception.message': 'value is not a number: "n/a"', 'exception.stacktrace': 'order_parse (orders.c:88)\nhandle (main.c:41)' }) }] } : {};
    add(p.service, msg.trace, process, msg.send, `process ${p.topic}`, 5, from, from + took, kafka('process', 'process', { 'messaging.consumer.group.name': p.group, 'messaging.destination.partition.id': msg.partition, 'messaging.kafka.offset': msg.offset, ...(atLeastOnce ? { 'order.id': `o-${msg.offset}`, 'order.total': Math.round(next() * 9000) / 100 + '' } : { 'metric.name': 'cpu.load', 'metric.value': msg.bad ? 'n/a' : '0.7', 'metric.tags': 'host=a1' }), 'error.type': msg.bad ? 'bad_record' : undefined }), { links: [{ traceId: ids.pollTrace, spanId: ids.poll, attributes: [] }], ...error });
    const log = (ms, level, line) => logs.push({ ns: at(ms), service: p.service, level, line, trace: msg.trace, span: process });
    const what = atLeastOnce ? 'order' : 'metric';
    log(from + 0.1, 'INFO', `processing ${what} ${atLeastOnce ? `id=o-${msg.offset}` : 'name=cpu.load value=0.7'} partition=${msg.partition} offset=${msg.offset}`);
    if (msg.bad) log(from + took * 0.9, 'ERROR', `failed to process kafka record: value is not a number: "n/a" (partition ${msg.partition}, offset ${msg.offset})`);
    else log(from + took, 'INFO', `${what} processed successfully`);
    if (atLeastOnce && !msg.bad) {
      add(p.service, msg.trace, hex(next, 16), process, 'INSERT orders', 3, from + took * 0.2, from + took * 0.6, { 'db.system.name': 'postgresql', 'db.query.text': 'INSERT INTO orders VALUES ($1,$2)', 'db.operation.name': 'INSERT' });
      add(p.service, msg.trace, hex(next, 16), process, 'send receipts', 4, from + took * 0.7, from + took * 0.95, { ...kafka('send', 'send', {}), 'messaging.destination.name': 'receipts' });
    } else if (atLeastOnce) {
      add(p.service, msg.trace, hex(next, 16), process, 'send orders.dlt', 4, from + took * 0.85, from + took * 0.97, { ...kafka('send', 'send', {}), 'messaging.destination.name': 'orders.dlt' });
      log(from + took, 'WARN', `message dead-lettered to orders.dlt`);
    }
    end = Math.max(end, from + took);
    traces.push({ id: msg.trace, service: p.producer, name: atLeastOnce ? 'POST /orders' : `send ${p.topic}`, start: at(0), durationMs: from + took, spans: atLeastOnce ? 5 : 2, errors: msg.bad ? 1 : 0, services: [p.producer, p.service] });
  }
  if (atLeastOnce) commit(end + 0.6);
  if (slot % 40 === 0) logs.push({ ns: at(end), service: p.service, level: 'DEBUG', line: '{"msg":"poll returned","records":2,"bytes":1184}', trace: '', span: '' });
  const resourceSpans = [...batches].map(([service, spans]) => ({
    resource: { attributes: attrs({ 'service.name': service, 'service.version': '0.1.0', 'host.name': 'demo', 'telemetry.sdk.language': 'c', 'telemetry.sdk.name': 'weir' }) },
    scopeSpans: [{ scope: { name: 'weir.kafka', version: '0.1.0' }, spans }],
  }));
  return { slot, pollTrace: ids.pollTrace, traceIds: [...messages.map((m) => m.trace), ids.pollTrace], resourceSpans, logs, traces };
}

export const slotsIn = (startMs, endMs) => {
  const out = [];
  for (let s = Math.ceil(startMs / EVERY_MS); s * EVERY_MS <= endMs; s++) out.push(s);
  return out;
};

/** A wide and deep trace, to see that big ones stay quick. */
export function bigTrace(spans) {
  const next = random(99);
  const traceId = 'b16b00b5b16b00b5b16b00b5b16b00b5'.replace(/b00b/g, 'feed');
  const list = [];
  const start = 1700000000000;
  for (let i = 0; i < spans; i++) {
    const parent = i === 0 ? null : list[Math.floor(Math.max(0, i - 1 - next() * 40))];
    const from = parent ? parent.from + next() * 2 : 0;
    list.push({ id: i.toString(16).padStart(16, '0').replace(/^0/, 'a'), parent, from, took: 1 + next() * (2000 / (1 + i / 50)) });
  }
  const ns = (ms) => String(BigInt(Math.round((start + ms) * 1000)) * 1000n);
  return { traceId, resourceSpans: [{
    resource: { attributes: attrs({ 'service.name': 'big' }) },
    scopeSpans: [{ scope: {}, spans: list.map((s, i) => ({ traceId, spanId: s.id, parentSpanId: s.parent?.id, name: `step ${i}`, kind: 1, startTimeUnixNano: ns(s.from), endTimeUnixNano: ns(s.from + s.took), status: i % 997 === 5 ? { code: 2 } : {} })) }],
  }] };
}
