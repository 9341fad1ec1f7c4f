// SPDX-License-Identifier: Apache-2.0
// Time ranges: what stands in the URL ("now-15m", epoch milliseconds, ISO 8601) to milliseconds.

export interface RangeText { from: string; to: string }
export interface Range { start: number; end: number }

const UNIT_MS: Record<string, number> = {
  ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3, y: 365 * 86400e3,
};

/** "1h30m" to milliseconds; null unless the whole text is a duration. */
export function parseDuration(text: string): number | null {
  const whole = /^(?:(\d+(?:\.\d+)?)(ms|[smhdwy]))+$/;
  if (!whole.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)) {
    sum += Number(amount) * UNIT_MS[unit!]!;
  }
  return sum;
}

/** "now", "now-15m", epoch milliseconds or a date; null if it is none of them. */
export function parseTime(text: string, now: number): number | null {
  const s = text.trim();
  if (s === 'now') return now;
  const relative = /^now([-+])(.+)$/.exec(s);
  if (relative) {
    const ms = parseDuration(relative[2]!);
    return ms === null ? null : now + (relative[1] === '-' ? -ms : ms);
  }
  if (/^\d{12,14}$/.test(s)) return Number(s);
  if (/^\d{4}-\d{2}-\d{2}/.test(s)) {
    const ms = Date.parse(s.replace(' ', 'T'));
    return Number.isNaN(ms) ? null : ms;
  }
  return null;
}

/** Both ends in milliseconds; a nonsensical range falls back to the last 15 minutes. */
export function resolveRange(text: RangeText, now: number): Range {
  const start = parseTime(text.from, now);
  const end = parseTime(text.to, now);
  if (start === null || end === null || start >= end) return { start: now - 900e3, end: now };
  return { start, end };
}

export function isRelative(text: RangeText): boolean {
  return text.from.startsWith('now') && text.to.startsWith('now');
}

const STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800,
  604800,
];

/** The smallest even step (seconds) that gives at most `points` points over the range. */
export function stepFor(range: Range, points: number): number {
  const raw = (range.end - range.start) / 1000 / points;
  return STEPS_S.find((s) => s >= raw) ?? STEPS_S[STEPS_S.length - 1]!;
}

/** Window for rate() (seconds): wide enough for slow exporters, narrow enough to follow a change. */
export function rateWindow(range: Range, step = 0): number {
  const tenth = (range.end - range.start) / 10e3;
  return Math.max(120, step * 4, STEPS_S.find((s) => s >= tenth) ?? 86400);
}

/** Tick positions (ms) at round local times, at most about `count`. */
export function timeTicks(range: Range, count: number): number[] {
  const step = stepFor(range, count) * 1000;
  const offset = new Date(range.start).getTimezoneOffset() * 60e3;
  const ticks: number[] = [];
  for (let t = Math.ceil((range.start - offset) / step) * step + offset; t <= range.end; t += step) {
    ticks.push(t);
  }
  return ticks;
}

/** Aligns both ends down to the step, so that refreshes keep the same grid. */
export function alignRange(range: Range, stepS: number): Range {
  const ms = stepS * 1000;
  return { start: Math.floor(range.start / ms) * ms, end: Math.floor(range.end / ms) * ms };
}

export const PRESETS: readonly [string, string][] = [
  ['5m', '5 minutes'], ['15m', '15 minutes'], ['30m', '30 minutes'], ['1h', '1 hour'],
  ['3h', '3 hours'], ['6h', '6 hours'], ['12h', '12 hours'], ['24h', '24 hours'],
  ['2d', '2 days'], ['7d', '7 days'],
];

export function describeRange(text: RangeText): string {
  const preset = PRESETS.find(([d]) => text.from === `now-${d}` && text.to === 'now');
  if (preset) return `Last ${preset[1]}`;
  if (text.to === 'now' && text.from.startsWith('now-')) return `Last ${text.from.slice(4)}`;
  const from = describeEnd(text.from);
  const to = describeEnd(text.to);
  const sameDay = from.slice(0, 10) === to.slice(0, 10) && to.length === 19;
  return `${from} to ${sameDay ? to.slice(11) : to}`;
}

function describeEnd(text: string): string {
  if (text.startsWith('now')) return text;
  const ms = parseTime(text, 0);
  return ms === null ? text : localStamp(ms);
}

const two = (n: number) => String(n).padStart(2, '0');

/** "2026-11-21 09:30:05", local time: also what the absolute inputs take. */
export function localStamp(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
