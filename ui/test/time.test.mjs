// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';

import { load } from './load.mjs';

const t = await load('lib/time.ts');
const NOW = Date.UTC(2026, 10, 21, 9, 30, 0);

test('durations', () => {
  assert.equal(t.parseDuration('15m'), 900e3);
  assert.equal(t.parseDuration('1h30m'), 5400e3);
  assert.equal(t.parseDuration('250ms'), 250);
  assert.equal(t.parseDuration('1.5s'), 1500);
  for (const wrong of ['', 'm', '15', '15m ', '-15m', '1h x', '1hh']) assert.equal(t.parseDuration(wrong), null, wrong);
});

test('points in time', () => {
  assert.equal(t.parseTime('now', NOW), NOW);
  assert.equal(t.parseTime('now-15m', NOW), NOW - 900e3);
  assert.equal(t.parseTime('now+1h', NOW), NOW + 3600e3);
  assert.equal(t.parseTime(String(NOW), 0), NOW);
  assert.equal(t.parseTime('2026-11-21T09:30:00Z', 0), NOW);
  assert.equal(t.parseTime('2026-11-21 09:30:00Z', 0), NOW);
  for (const wrong of ['yesterday', 'now-', 'now-5', '12', '2026-13-45']) assert.equal(t.parseTime(wrong, NOW), null, wrong);
});

test('a wrong or turned range falls back to the last 15 minutes', () => {
  const fallback = { start: NOW - 900e3, end: NOW };
  assert.deepEqual(t.resolveRange({ from: 'x', to: 'now' }, NOW), fallback);
  assert.deepEqual(t.resolveRange({ from: 'now', to: 'now-1h' }, NOW), fallback);
  assert.deepEqual(t.resolveRange({ from: 'now-1h', to: 'now-30m' }, NOW), { start: NOW - 3600e3, end: NOW - 1800e3 });
});

test('steps are even and give no more points than asked', () => {
  for (const minutes of [1, 5, 15, 60, 180, 1440, 10080]) {
    const range = { start: NOW - minutes * 60e3, end: NOW };
    const step = t.stepFor(range, 300);
    assert.ok((minutes * 60) / step <= 300, `${minutes} min: step ${step}`);
  }
  assert.equal(t.stepFor({ start: 0, end: 900e3 }, 300), 5);
});

test('aligned ranges lie on the step, so a refresh keeps the grid', () => {
  const a = t.alignRange({ start: NOW + 1234, end: NOW + 901234 }, 5);
  assert.equal(a.start % 5000, 0);
  assert.equal(a.end % 5000, 0);
  assert.ok(a.end - a.start >= 895e3 && a.end - a.start <= 905e3);
});

test('the rate window holds at least two slow exports', () => {
  assert.equal(t.rateWindow({ start: 0, end: 900e3 }), 120);
  assert.equal(t.rateWindow({ start: 0, end: 6 * 3600e3 }), 3600);
  assert.ok(t.rateWindow({ start: 0, end: 60e3 }, 300) >= 1200);
});

test('ticks are inside the range', () => {
  const range = { start: NOW - 900e3, end: NOW };
  const ticks = t.timeTicks(range, 8);
  assert.ok(ticks.length >= 4 && ticks.length <= 9);
  assert.ok(ticks.every((x) => x >= range.start && x <= range.end && x % 60e3 === 0));
});

test('ranges in words', () => {
  assert.equal(t.describeRange({ from: 'now-15m', to: 'now' }), 'Last 15 minutes');
  assert.equal(t.describeRange({ from: 'now-20m', to: 'now' }), 'Last 20m');
  assert.match(t.describeRange({ from: String(NOW), to: String(NOW + 1000) }), /^2026-11-21 [\d:]{8} to [\d:]{8}$/);
  assert.match(t.describeRange({ from: String(NOW), to: String(NOW + 2 * 86400e3) }), /^2026-11-21 [\d:]{8} to 2026-11-23 [\d:]{8}$/);
});
