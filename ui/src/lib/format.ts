// SPDX-License-Identifier: Apache-2.0
// Numbers and times for people: short, with units, never more digits than meaning.

const DASH = '–';

function trim(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}

/** 1234567 → "1.23M"; 0.00012 → "0.00012". */
export function num(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const abs = Math.abs(value);
  if (abs < 1e4) return abs < 1 && abs > 0 ? trim(value, digits) : trim(value, Math.max(digits, abs >= 1000 ? 4 : 0));
  for (const [limit, unit] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (abs >= limit) return trim(value / limit, digits) + unit;
  }
  return trim(value, digits);
}

/** Whole numbers with thin grouping: 1234567 → "1 234 567". */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

export function rate(value: number | null | undefined): string {
  return value === null || value === undefined || Number.isNaN(value) ? DASH : `${num(value)}/s`;
}

export function percent(part: number, whole: number): string {
  if (!whole) return DASH;
  const p = (part / whole) * 100;
  if (p > 0 && p < 0.01) return '<0.01%';
  return `${trim(p, p < 10 ? 2 : 3)}%`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  let v = value;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (Math.abs(v) < 1024 || unit === 'TiB') return `${trim(v, 3)} ${unit}`;
    v /= 1024;
  }
  return DASH;
}

/** A duration in seconds: "850 µs", "12.3 ms", "1.25 s", "3m 20s", "2h 5m", "4d 3h". */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  if (!Number.isFinite(value)) return '∞';
  const abs = Math.abs(value);
  if (abs === 0) return '0 s';
  if (abs < 1e-6) return `${trim(value * 1e9, 3)} ns`;
  if (abs < 1e-3) return `${trim(value * 1e6, 3)} µs`;
  if (abs < 1) return `${trim(value * 1e3, 3)} ms`;
  if (abs < 60) return `${trim(value, 3)} s`;
  return pairOfUnits(value);
}

function pairOfUnits(value: number): string {
  const whole = Math.round(Math.abs(value));
  const units: [number, string][] = [[86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']];
  const at = units.findIndex(([size]) => whole >= size);
  const [size, name] = units[at]!;
  const next = units[at + 1];
  const head = `${value < 0 ? '−' : ''}${Math.floor(whole / size)}${name}`;
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  return rest && next ? `${head} ${rest}${next[1]}` : head;
}

/** A duration in milliseconds. */
export function millis(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : seconds(value / 1e3);
}

const two = (n: number) => String(n).padStart(2, '0');

/** "09:30:05.123" in local time. */
export function clock(ms: number, withMillis = false): string {
  const d = new Date(ms);
  const base = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return withMillis ? `${base}.${String(Math.floor(((ms % 1000) + 1000) % 1000)).padStart(3, '0')}` : base;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** "21 Nov 09:30:05". */
export function dayClock(ms: number, withMillis = false): string {
  const d = new Date(ms);
  return `${d.getDate()} ${MONTHS[d.getMonth()]} ${clock(ms, withMillis)}`;
}

/** A tick of a time axis, as short as the range allows. */
export function tick(ms: number, rangeMs: number): string {
  const d = new Date(ms);
  if (rangeMs > 4 * 86400e3) return `${d.getDate()} ${MONTHS[d.getMonth()]}`;
  const hm = `${two(d.getHours())}:${two(d.getMinutes())}`;
  if (rangeMs > 36 * 3600e3) return `${d.getDate()} ${MONTHS[d.getMonth()]} ${hm}`;
  return rangeMs < 600e3 ? `${hm}:${two(d.getSeconds())}` : hm;
}

/** "3 minutes ago" in its shortest form: "3m ago". */
export function ago(ms: number, now: number): string {
  const s = (now - ms) / 1000;
  if (s < 1) return 'now';
  if (s < 60) return `${Math.floor(s)}s ago`;
  return `${pairOfUnits(s).split(' ')[0]} ago`;
}

/** A value of a metric by what its name says about its unit. */
export function byMetricName(name: string): (v: number | null | undefined) => string {
  if (/_seconds(_bucket|_sum)?$/.test(name)) return seconds;
  if (/_bytes(_bucket|_sum)?$/.test(name)) return bytes;
  return (v) => num(v, 4);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
