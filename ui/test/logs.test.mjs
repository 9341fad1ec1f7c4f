// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';

import { load } from './load.mjs';

const l = await load('lib/logs.ts');
const stream = (labels, ...values) => ({ stream: labels, values });

test('streams become one list, newest first, to the nanosecond', () => {
  const rows = l.rowsOf([
    stream({ service_name: 'a' }, ['1700000000000000001', 'second'], ['1700000000000000000', 'first']),
    stream({ service_name: 'b' }, ['1700000000000000002', 'third']),
  ]);
  assert.deepEqual(rows.map((r) => r.line), ['third', 'second', 'first']);
  assert.deepEqual(l.rowsOf([stream({}, ['10', 'b'], ['9', 'a'])], true).map((r) => r.line), ['a', 'b']);
  assert.equal(rows[2].ms, 1700000000000);
});

test('levels, wherever they are', () => {
  for (const [text, level] of [['ERROR', 'error'], ['err', 'error'], ['Warning', 'warn'], ['CRITICAL', 'fatal'], ['INFO2', 'info'],
                               ['notice', 'info'], ['', 'other'], [undefined, 'other'], ['verbose', 'other']]) {
    assert.equal(l.levelOf(text), level);
  }
  const [row] = l.rowsOf([{ stream: { detected_level: 'warn' }, values: [['1000000', 'x', { structuredMetadata: { level: 'ERROR' } }]] }]);
  assert.equal(row.level, 'error');
});

test('fields: metadata before labels before the line', () => {
  const [row] = l.rowsOf([{ stream: { app: 'a' }, values: [['1000000', '{"app":"other","n":5,"o":{"x":1}}', { structuredMetadata: { trace_id: 'ff' } }]] }]);
  assert.deepEqual(l.fieldsOf(row), [
    { name: 'trace_id', value: 'ff', source: 'metadata' }, { name: 'app', value: 'a', source: 'label' },
    { name: 'n', value: '5', source: 'line' }, { name: 'o', value: '{"x":1}', source: 'line' },
  ]);
});

test('whether labels and metadata came apart is known', () => {
  const [apart] = l.rowsOf([{ stream: {}, values: [['1000000', 'x', {}]] }]);
  const [mixed] = l.rowsOf([stream({}, ['1000000', 'x'])]);
  assert.deepEqual([apart.sorted, mixed.sorted], [true, false]);
});

test('a line that only looks like JSON has no fields', () => {
  const [row] = l.rowsOf([stream({}, ['1000000', '{not json'])]);
  assert.deepEqual(l.fieldsOf(row), []);
});

test('trace ids from metadata, labels or the text', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const of = (labels, line) => l.traceIdOf(l.rowsOf([stream(labels, ['1000000', line])])[0]);
  assert.equal(of({ trace_id: id }, ''), id);
  assert.equal(of({}, `{"trace_id":"${id}"}`), id);
  assert.equal(of({}, `level=info traceId=${id} msg=x`), id);
  assert.equal(of({}, 'trace_id=short'), null);
  assert.equal(of({ trace_id: '' }, 'x'), null);
});

test('a tail keeps at most so many lines, each once', () => {
  const row = (ns) => ({ ns: String(ns), line: `l${ns}` });
  const first = [row(2), row(1)];
  assert.deepEqual(l.prependRows(first, [row(3), row(2)], 10).map((r) => r.ns), ['3', '2', '1']);
  assert.deepEqual(l.prependRows(first, [row(4), row(3)], 3).map((r) => r.ns), ['4', '3', '2']);
  assert.equal(l.prependRows(first, [row(2)], 10), first);
});
