// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';

import { bigTrace, flowAt } from '../dev/data.mjs';
import { load } from './load.mjs';

const { spansOf, idOf, valueOf } = await load('lib/otlp.ts');
const { joinFlow, visibleRows, linkedWith, semanticsOf, focusOn, laneFlow, partitionsOf, onPartition } = await load('lib/trace.ts');

/** A span in few words: s('T1', 'a', '', 'send x', 0, 5, [['T2', 'p']]). Times in milliseconds. */
function s(trace, id, parent, name, from, to, links = [], more = {}) {
  return {
    traceId: trace, spanId: id, parentId: parent, name, kind: 'internal', startNs: BigInt(from * 1e6), endNs: BigInt(to * 1e6),
    status: 'unset', statusMessage: '', service: 'svc', attributes: {}, resource: {}, scope: '', events: [],
    links: links.map(([traceId, spanId]) => ({ traceId, spanId, attributes: {} })), ...more,
  };
}
const names = (flow) => visibleRows(flow, new Set()).map((n) => `${'.'.repeat(n.depth)}${n.span.name}`);

const atMostOnce = [
  s('M', 'send', '', 'send x', 0, 4),
  s('P', 'poll', '', 'poll x', 5, 6, [['M', 'send']]),
  s('P', 'commit', 'poll', 'commit x', 7, 9),
  s('M', 'proc', 'send', 'process x', 10, 20, [['P', 'poll']]),
];
const atLeastOnce = [
  s('M', 'send', '', 'send x', 0, 4),
  s('P', 'poll', '', 'poll x', 5, 6, [['M', 'send']]),
  s('M', 'proc', 'send', 'process x', 7, 20, [['P', 'poll']]),
  s('P', 'commit', 'poll', 'commit x', 21, 22),
];

test('the order of the rows shows the semantics: poll, commit, process or poll, process, commit', () => {
  assert.deepEqual(names(joinFlow(atMostOnce, 'M', false)), ['send x', '.poll x', '..commit x', '..process x']);
  assert.deepEqual(names(joinFlow(atLeastOnce, 'M', false)), ['send x', '.poll x', '..process x', '..commit x']);
});

test('and is told in words', () => {
  const poll = (spans) => [...joinFlow(spans, 'M', false).nodes.values()].find((n) => n.span.name === 'poll x');
  assert.equal(semanticsOf(poll(atMostOnce)), 'at-most-once');
  assert.equal(semanticsOf(poll(atLeastOnce)), 'at-least-once');
});

test('mode link gives the same shape', () => {
  const spans = [
    s('M', 'send', '', 'send x', 0, 4),
    s('P', 'poll', '', 'poll x', 5, 6, [['M', 'send']]),
    s('P', 'proc', 'poll', 'process x', 7, 20, [['M', 'send']]),
    s('P', 'commit', 'poll', 'commit x', 21, 22),
  ];
  assert.deepEqual(names(joinFlow(spans, 'M', false)), ['send x', '.poll x', '..process x', '..commit x']);
});

test('the order of arrival does not matter', () => {
  const expected = names(joinFlow(atLeastOnce, 'M', false));
  for (let i = 0; i < atLeastOnce.length; i++) {
    const turned = [...atLeastOnce.slice(i), ...atLeastOnce.slice(0, i)].reverse();
    assert.deepEqual(names(joinFlow(turned, 'M', false)), expected);
  }
});

test('other messages of the same poll are left out of the focus, in both modes', () => {
  const both = [
    ...atLeastOnce,
    s('N', 'send2', '', 'send y', 1, 4),
    s('N', 'proc2', 'send2', 'process y', 8, 12, [['P', 'poll']]),
    s('P', 'proc3', 'poll', 'process z', 9, 12, [['O', 'send3']]),
    s('O', 'send3', '', 'send z', 1, 4),
  ];
  both[1] = s('P', 'poll', '', 'poll x', 5, 6, [['M', 'send'], ['N', 'send2'], ['O', 'send3']]);
  const flow = joinFlow(both, 'M', false);
  assert.deepEqual(names(flow), ['send x', '.poll x', '..process x', '..commit x']);
  assert.equal(flow.hidden, 4);
  assert.equal(joinFlow(both, 'M', true).nodes.size, both.length);
  assert.deepEqual(focusOn(both, 'N').map((x) => x.name).sort(), ['commit x', 'poll x', 'process y', 'send y']);
});

test('a chain of pipelines is followed onwards', () => {
  const spans = [
    ...atLeastOnce,
    s('M', 'send2', 'proc', 'send y', 15, 18),
    s('Q', 'poll2', '', 'poll y', 25, 26, [['M', 'send2']]),
    s('M', 'proc2', 'send2', 'process y', 27, 30, [['Q', 'poll2']]),
    s('Q', 'commit2', 'poll2', 'commit y', 31, 32),
  ];
  assert.deepEqual(names(joinFlow(spans, 'M', false)), [
    'send x', '.poll x', '..process x', '...send y', '....poll y', '.....process y', '.....commit y', '..commit x',
  ]);
});

test('from a poll’s own trace the messages that it fetched are seen', () => {
  assert.equal(joinFlow(atLeastOnce, 'P', false).nodes.size, 4);
});

test('lanes: one per partition, its process spans in order, side by side with the others', () => {
  const on = (partition) => ({ attributes: { 'messaging.destination.name': 'x', 'messaging.destination.partition.id': partition } });
  const spans = [
    s('P', 'poll', '', 'poll x', 0, 1),
    s('A', 'a', '', 'process x', 2, 9, [['P', 'poll']], on('10')), s('B', 'b', '', 'process x', 3, 5, [['P', 'poll']], on('2')),
    s('C', 'c', '', 'process x', 6, 8, [['P', 'poll']], on('2')), s('C', 'd', 'c', 'INSERT', 6, 7),
  ];
  assert.deepEqual(partitionsOf(spans), ['x / 2', 'x / 10']);
  assert.deepEqual(onPartition(spans, 'x / 2').map((x) => x.spanId), ['poll', 'b', 'c', 'd']);
  const flow = laneFlow(spans, 'A');
  assert.deepEqual(visibleRows(flow, new Set()).map((n) => `${n.depth} ${n.span.name} ${n.span.spanId}`),
    ['0 x / 2 lane x / 2', '1 process x b', '1 process x c', '2 INSERT d', '0 x / 10 lane x / 10', '1 process x a']);
  const [two, ten] = flow.roots;
  assert.ok(two.startMs < ten.startMs + ten.durationMs && ten.startMs < two.startMs + two.durationMs);
  assert.equal(two.size, 3);
});

test('links in a circle end', () => {
  const spans = [s('A', 'a', '', 'poll 1', 0, 1, [['B', 'b']]), s('B', 'b', '', 'poll 2', 0, 1, [['A', 'a']]),
                 s('C', 'c', 'c', 'own parent', 0, 1)];
  const flow = joinFlow(spans, 'A', true);
  assert.equal(visibleRows(flow, new Set()).length, 3);
});

test('a span whose parent has not arrived is a root that says so', () => {
  const flow = joinFlow([s('M', 'a', 'missing', 'late', 0, 1)], 'M', false);
  assert.equal(flow.roots[0].orphan, true);
});

test('sizes, errors and collapsing', () => {
  const spans = [s('M', 'a', '', 'a', 0, 9), s('M', 'b', 'a', 'b', 1, 8), s('M', 'c', 'b', 'c', 2, 3, [], { status: 'error' })];
  const flow = joinFlow(spans, 'M', false);
  const [a, b] = visibleRows(flow, new Set());
  assert.deepEqual([a.size, a.errors, b.size], [3, 1, 2]);
  assert.equal(visibleRows(flow, new Set([b.id])).length, 2);
  assert.equal(flow.durationMs, 9);
});

test('links are seen from both ends', () => {
  const flow = joinFlow(atLeastOnce, 'M', false);
  const of = (id) => linkedWith(flow, flow.nodes.get(id)).map((n) => n.span.name).sort();
  assert.deepEqual(of('M/send'), ['poll x']);
  assert.deepEqual(of('P/poll'), ['process x', 'send x']);
});

test('a chain of 50 000 spans neither overflows the stack nor takes long', () => {
  const spans = Array.from({ length: 50000 }, (_, i) => s('M', `s${i}`, i ? `s${i - 1}` : '', 'n', i, i + 1));
  const flow = joinFlow(spans, 'M', false);
  assert.equal(flow.roots[0].size, 50000);
});

test('nothing gives nothing', () => {
  const flow = joinFlow([], 'M', false);
  assert.deepEqual([flow.roots.length, flow.durationMs], [0, 0]);
});

test('OTLP/JSON: hex and base64 ids, enums as words or numbers, 64-bit numbers, duplicates', () => {
  const raw = (over) => ({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', name: 'n', kind: 5, startTimeUnixNano: '1700000000000000001',
    endTimeUnixNano: '1700000000000000003', attributes: [{ key: 'i', value: { intValue: '9007199254740993' } }], ...over,
  });
  const batch = (...spans) => ({ resourceSpans: [{ resource: { attributes: [{ key: 'service.name', value: { stringValue: 'x' } }] }, scopeSpans: [{ spans }] }] });
  const [a] = spansOf(batch(raw({}), raw({})));
  assert.equal(spansOf(batch(raw({}), raw({}))).length, 1);
  assert.equal(a.kind, 'consumer');
  assert.equal(a.endNs - a.startNs, 2n);
  assert.equal(a.attributes.i, '9007199254740993');
  assert.equal(a.service, 'x');
  const [b] = spansOf(batch(raw({ traceId: 'S/kvNXezTaajzpKdDg5HNg==', kind: 'SPAN_KIND_PRODUCER', status: { code: 'STATUS_CODE_ERROR' } })));
  assert.deepEqual([b.traceId, b.kind, b.status], [a.traceId, 'producer', 'error']);
  assert.equal(idOf(undefined, 8), '');
  assert.deepEqual(valueOf({ arrayValue: { values: [{ boolValue: true }, { doubleValue: 1.5 }] } }), [true, 1.5]);
  assert.deepEqual(valueOf({ kvlistValue: { values: [{ key: 'a', value: { stringValue: 'b' } }] } }), { a: 'b' });
  assert.deepEqual(spansOf({}), []);
});

test('the recorded flows of the mock join completely', () => {
  for (let slot = 720000000; slot < 720000050; slot++) {
    const flow = flowAt(slot);
    const spans = spansOf(flow);
    const [message] = flow.traceIds;
    const joined = joinFlow(spans, message, false);
    assert.equal(joined.roots.length, 1, `slot ${slot}`);
    const kinds = visibleRows(joined, new Set()).map((n) => n.span.name.split(' ')[0]).filter((n) => /poll|commit|process/.test(n));
    assert.deepEqual(kinds, slot % 2 ? ['poll', 'commit', 'process'] : ['poll', 'process', 'commit']);
  }
  assert.equal(joinFlow(spansOf(bigTrace(2000)), bigTrace(1).traceId, false).nodes.size, 2000);
});
