// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';

import { load } from './load.mjs';

const f = await load('lib/format.ts');

test('numbers', () => {
  const cases = [[0, '0'], [12, '12'], [0.00012345, '0.000123'], [999.9, '1000'], [1234, '1234'], [12345, '12.3k'],
                 [1234567, '1.23M'], [-12345, '-12.3k'], [Infinity, '∞'], [-Infinity, '−∞'], [NaN, '–'], [null, '–'], [undefined, '–']];
  for (const [value, text] of cases) assert.equal(f.num(value), text);
});

test('whole numbers keep all digits', () => {
  assert.equal(f.count(1234567), '1\u202f234\u202f567');
  assert.equal(f.count(999), '999');
  assert.equal(f.count(null), '–');
});

test('seconds', () => {
  const cases = [[0, '0 s'], [3e-9, '3 ns'], [0.00085, '850 µs'], [0.0123, '12.3 ms'], [1.25, '1.25 s'], [200, '3m 20s'],
                 [7500, '2h 5m'], [7200, '2h'], [97200, '1d 3h'], [-90, '−1m 30s'], [null, '–']];
  for (const [value, text] of cases) assert.equal(f.seconds(value), text);
  assert.equal(f.millis(12.3), '12.3 ms');
});

test('bytes, percent, rates', () => {
  assert.equal(f.bytes(1536), '1.5 KiB');
  assert.equal(f.bytes(512 * 1024 * 1024), '512 MiB');
  assert.equal(f.percent(1, 3), '33.3%');
  assert.equal(f.percent(1, 0), '–');
  assert.equal(f.percent(1, 1e6), '<0.01%');
  assert.equal(f.rate(12.345), '12.3/s');
  assert.equal(f.rate(undefined), '–');
});

test('a metric’s name tells its unit', () => {
  assert.equal(f.byMetricName('messaging_process_duration_seconds_bucket')(0.0123), '12.3 ms');
  assert.equal(f.byMetricName('process_memory_usage_bytes')(1024), '1 KiB');
  assert.equal(f.byMetricName('weir_kafka_consumer_lag')(1024), '1024');
});

test('ages', () => {
  assert.equal(f.ago(1000, 1500), 'now');
  assert.equal(f.ago(0, 42000), '42s ago');
  assert.equal(f.ago(0, 3 * 3600e3 + 1), '3h ago');
});
