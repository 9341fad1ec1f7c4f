// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';

import { load } from './load.mjs';

const { buildFlow, runnerRows, healthOf } = await load('lib/flow.ts');
const { groupRows, sumByGroup } = await load('lib/groups.ts');
const { onGrid, parseSample, sparkPath } = await load('lib/matrix.ts');
const { componentsOf, days, doorsOf, factsOf, timeMs } = await load('lib/status.ts');

const at = (service, topic, group, value, extra = {}) => ({
  metric: { service_name: service, messaging_destination_name: topic, ...(group ? { messaging_consumer_group_name: group } : {}), ...extra }, value,
});
const none = { sent: [], sentErrors: [], sendP95: [], consumed: [], consumedErrors: [], processed: [], processedErrors: [], processP95: [], lag: [], lost: [], runner: [] };
const edges = (map) => map.edges.map((e) => `${e.from} ${e.to} ${e.rate}`).sort();

test('producers, topics and groups in a row', () => {
  const map = buildFlow({ ...none, sent: [at('api', 'orders', '', 5)], consumed: [at('work', 'orders', 'g', 4)], lag: [at('work', 'orders', 'g', 12)] });
  assert.deepEqual(edges(map), ['producer:api topic:orders 5', 'topic:orders group:g@work 4']);
  const topic = map.nodes.find((n) => n.kind === 'topic');
  assert.deepEqual([topic.rate, topic.lag], [5, 12]);
});

test('a service that consumes in one group sends from that group', () => {
  const map = buildFlow({ ...none, sent: [at('work', 'out', '', 3)], consumed: [at('work', 'in', 'g', 3)] });
  assert.deepEqual(edges(map), ['group:g@work topic:out 3', 'topic:in group:g@work 3']);
});

test('with two groups it sends from a node of its own', () => {
  const map = buildFlow({ ...none, sent: [at('work', 'out', '', 3)], consumed: [at('work', 'a', 'g', 1), at('work', 'b', 'h', 2)] });
  assert.ok(map.nodes.some((n) => n.id === 'producer:work'));
});

test('where only processing is counted, its rate draws the edge; both together are not added up', () => {
  const only = buildFlow({ ...none, processed: [at('w', 't', 'g', 7)] });
  assert.deepEqual(edges(only), ['topic:t group:g@w 7']);
  const both = buildFlow({ ...none, consumed: [at('w', 't', 'g', 8)], processed: [at('w', 't', 'g', 7)] });
  assert.deepEqual(edges(both), ['topic:t group:g@w 8']);
});

test('errors add up, of latencies the worst counts, NaN is unknown', () => {
  const map = buildFlow({
    ...none, sent: [at('api', 'a', '', 1), at('api', 'b', '', 2)], sentErrors: [at('api', 'a', '', 0.5), at('api', 'b', '', 0.25)],
    sendP95: [at('api', 'a', '', 0.01), at('api', 'b', '', NaN)],
  });
  const node = map.nodes.find((n) => n.id === 'producer:api');
  assert.deepEqual([node.rate, node.errors, node.p95], [3, 0.75, 0.01]);
});

test('health', () => {
  const stats = (over) => ({ rate: 100, errors: null, p95: null, lag: null, lost: null, ...over });
  assert.equal(healthOf(stats({})), 'ok');
  assert.equal(healthOf(stats({ errors: 0.5 })), 'warn');
  assert.equal(healthOf(stats({ errors: 2 })), 'bad');
  assert.equal(healthOf(stats({ lost: 1 })), 'bad');
  assert.equal(healthOf(stats({ rate: 0 })), 'idle');
});

test('runner rows put outcomes and both bounds of loss side by side', () => {
  const empty = { received: [], committed: [], processed: [], lost: [], duplicates: [], inFlight: [], lag: [] };
  const [row] = runnerRows({
    ...empty, received: [at('w', 't', 'g', 10)], committed: [at('w', 't', 'g', 10)],
    processed: [at('w', 't', 'g', 7, { outcome: 'ok' }), at('w', 't', 'g', 2, { outcome: 'failed' }), at('w', 't', 'g', 1, { outcome: 'dead_lettered' }), at('w', 't', 'g', 1, { outcome: 'new one' })],
    lost: [at('w', 't', 'g', 2, { bound: 'min' }), at('w', 't', 'g', 3, { bound: 'max' })], lag: [at('', 't', 'g', 5)],
  });
  assert.deepEqual([row.received, row.ok, row.failed, row.deadLettered, row.skipped, row.lostMin, row.lostMax, row.lag], [10, 7, 2, 1, null, 2, 3, 5]);
});

test('group rows by partition and summed', () => {
  const p = (n, v) => at('w', 't', 'g', v, { messaging_destination_partition_id: String(n) });
  const rows = groupRows({ lag: [p(0, 5), p(1, 7)], lagTime: [p(0, 1), p(1, 3)], end: [], committed: [], rate: [p(0, 2)], consumed: [p(0, 9), p(1, 4)] },
    [{ metric: p(1, 0).metric, values: [1, 2] }]);
  assert.deepEqual(rows.map((r) => [r.partition, r.lag, r.rate, r.trend.length]), [['0', 5, 2, 0], ['1', 7, 4, 2]]);
  const [sum] = sumByGroup(rows);
  assert.deepEqual([sum.partitions, sum.lag, sum.lagTime, sum.rate, sum.end], [2, 12, 3, 6, null]);
  assert.deepEqual(groupRows({ lag: [at('w', 't', 'g', 5)], lagTime: [], end: [], committed: [], rate: [], consumed: [] }, []), []);
});

test('samples on a grid, gaps as null', () => {
  const grid = onGrid([{ metric: {}, values: [[10, '1'], [30, 'NaN'], [40, '+Inf'], [99, '5']] }], { start: 10e3, end: 40e3 }, 10);
  assert.deepEqual(grid.times, [10, 20, 30, 40]);
  assert.deepEqual(grid.rows[0].values, [1, null, null, Infinity]);
  assert.equal(parseSample('-Inf'), -Infinity);
});

test('status is read leniently', () => {
  const status = { components: [{ name: 'otlp/grpc', ready: true, detail: 'listening on 127.0.0.1 port 14317', since_ns: '1700000000000000000' }, { name: 'otlp/http', detail: 'http://[::1]:4318' }, 5], store: { parts: 3, deep: { x: 'y' } }, list: [1] };
  assert.deepEqual(doorsOf(status), { grpc: '127.0.0.1:14317', http: '[::1]:4318' });
  assert.equal(doorsOf({ components: [{ name: 'otlp/grpc', detail: 'listening on ::1 port 4317' }] }).grpc, '[::1]:4317');
  assert.deepEqual(doorsOf(undefined), { grpc: '127.0.0.1:4317', http: '127.0.0.1:4318' });
  assert.deepEqual(componentsOf(status).map((c) => [c.name, c.ready]), [['otlp/grpc', true], ['otlp/http', false]]);
  assert.deepEqual(factsOf({ store: status.store, list: status.list }).map((f) => f.path), ['store.parts', 'store.deep.x', 'list[0]']);
  assert.equal(componentsOf(status)[0].sinceMs, 1.7e12);
  assert.deepEqual([timeMs(1.7e18), timeMs('1700000000000000000'), timeMs(0), timeMs(undefined), timeMs('x')], [1.7e12, 1.7e12, null, null, null]);
});

test('retention in words', () => {
  assert.deepEqual([604800, 86400, 5400, 1].map(days), ['7 days', '1 day', '90 minutes', '1 second']);
});

test('a sparkline stays in its box, and a lonely value is a dot', () => {
  assert.deepEqual(sparkPath([null, null], 100, 20), { line: '', dots: [] });
  const { line, dots } = sparkPath([4, null, 1, 2, null], 100, 20);
  assert.deepEqual([line, dots], ['M50.0 13.5L74.0 10.0', ['M2.0 3.0h0']]);
  assert.deepEqual(sparkPath([7], 100, 20).dots, ['M98.0 3.0h0']);
});

test('counts of several processes of one group add up', () => {
  const none = { received: [], committed: [], processed: [], lost: [], duplicates: [], inFlight: [], lag: [] };
  const [row] = runnerRows({ ...none, received: [at('w', 't', 'g', 3, { weir_runner_semantics: 'at_most_once' }), at('w', 't', 'g', 4)],
    lost: [at('w', 't', 'g', 1, { bound: 'min' }), at('w', 't', 'g', 1, { bound: 'min' })] });
  assert.deepEqual([row.received, row.lostMin, row.semantics], [7, 2, 'at_most_once']);
});
