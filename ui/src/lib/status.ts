// SPDX-License-Identifier: Apache-2.0
// /weir/v1/status: components by their fields, everything else as it comes.

export interface Component {
  name: string; ready: boolean; detail: string; lastError: string;
  lastErrorMs: number | null; sinceMs: number | null;
}

type Json = Record<string, unknown>;
const isObject = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);

/** Unix nanoseconds, as number or text, in milliseconds; null if absent or zero. */
export function timeMs(v: unknown): number | null {
  const n = Number(v ?? 0);
  return n > 0 ? n / 1e6 : null;
}

export function componentsOf(status: Json | undefined): Component[] {
  const list = status?.components;
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).map((c) => ({
    name: String(c.name ?? ''),
    ready: c.ready === true,
    detail: String(c.detail ?? ''),
    lastError: String(c.last_error ?? ''),
    lastErrorMs: timeMs(c.last_error_ns),
    sinceMs: timeMs(c.since_ns),
  })).sort((a, b) => a.name.localeCompare(b.name));
}

/** Where the two OTLP doors listen, as the components say it; else the defaults. */
export function doorsOf(status: Json | undefined): { grpc: string; http: string } {
  const found = { grpc: '127.0.0.1:4317', http: '127.0.0.1:4318' };
  for (const c of componentsOf(status)) {
    const m = /(\[[0-9a-fA-F:]+\]|[0-9a-fA-F]*:[0-9a-fA-F:]+(?= port)|[\w.-]+)(?::| port )(\d{2,5})\b/.exec(c.detail);
    if (!m) continue;
    const address = `${m[1]!.includes(':') && !m[1]!.startsWith('[') ? `[${m[1]}]` : m[1]}:${m[2]}`;
    if (/grpc/.test(c.name)) found.grpc = address;
    else if (/otlp.*http/.test(c.name)) found.http = address;
  }
  return found;
}

/** Whole seconds as words: 604800 → "7 days". */
export function days(s: number): string {
  for (const [size, name] of [[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']] as const) {
    if (s >= size && s % size === 0) return `${s / size} ${name}${s === size ? '' : 's'}`;
  }
  return `${s} seconds`;
}

export interface Fact { path: string; value: string | number | boolean }

/** Every plain value below an object, with its path: "store.parts". */
export function factsOf(value: unknown, path = ''): Fact[] {
  if (isObject(value)) {
    return Object.entries(value).flatMap(([k, v]) => factsOf(v, path ? `${path}.${k}` : k));
  }
  if (Array.isArray(value)) return value.flatMap((v, i) => factsOf(v, `${path}[${i}]`));
  return value === null || value === undefined ? [] : [{ path, value: value as string }];
}
