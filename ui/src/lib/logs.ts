// SPDX-License-Identifier: Apache-2.0
// Loki answers to rows: newest first, one level per row, the fields that a line carries.

export interface LogRow {
  key: string;
  ns: string;                       // Unix time in nanoseconds, as received
  ms: number;
  line: string;
  level: Level;
  labels: Record<string, string>;   // of the stream; with structured metadata where nobody told them apart
  meta: Record<string, string>;     // structured metadata
  sorted: boolean;                  // labels and metadata came apart
}

export type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'other';
export const LEVELS: readonly Level[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'other'];

export interface LokiStream {
  stream: Record<string, string>;
  values: [string, string, { structuredMetadata?: Record<string, string>; parsed?: Record<string, string> }?][];
}

export function levelOf(text: string | undefined): Level {
  const s = (text ?? '').toLowerCase();
  if (/^(fatal|crit|emerg|alert|panic)/.test(s)) return 'fatal';
  if (s.startsWith('err')) return 'error';
  if (s.startsWith('warn')) return 'warn';
  if (/^(info|notice)/.test(s)) return 'info';
  if (s.startsWith('debug')) return 'debug';
  if (s.startsWith('trace')) return 'trace';
  return 'other';
}

const LEVEL_KEYS = ['level', 'detected_level', 'severity_text', 'severity'];

/** Rows of all streams in one list, newest first (`forward`: oldest first). */
export function rowsOf(streams: LokiStream[], forward = false): LogRow[] {
  const rows: LogRow[] = [];
  streams.forEach((s, si) => s.values.forEach(([ns, line, extra], vi) => {
    const meta = { ...extra?.structuredMetadata, ...extra?.parsed };
    const levelKey = LEVEL_KEYS.find((k) => meta[k] ?? s.stream[k]);
    rows.push({
      key: `${ns}/${si}/${vi}`, ns, ms: Number(ns.slice(0, -6)), line, labels: s.stream, meta, sorted: extra !== undefined,
      level: levelOf(levelKey && (meta[levelKey] ?? s.stream[levelKey])),
    });
  }));
  const sign = forward ? 1 : -1;
  return rows.sort((a, b) => sign * compareNs(a.ns, b.ns));
}

export function compareNs(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

export type FieldSource = 'label' | 'metadata' | 'line';
export interface Field { name: string; value: string; source: FieldSource }

/** All that is known of a row: labels, structured metadata, and what a JSON line holds (one level). */
export function fieldsOf(row: LogRow): Field[] {
  const fields: Field[] = [];
  const seen = new Set<string>();
  const add = (name: string, value: string, source: FieldSource) => {
    if (seen.has(name)) return;
    seen.add(name);
    fields.push({ name, value, source });
  };
  for (const [k, v] of Object.entries(row.meta).sort()) add(k, v, 'metadata');
  for (const [k, v] of Object.entries(row.labels).sort()) add(k, v, 'label');
  for (const [k, v] of Object.entries(jsonOf(row.line) ?? {})) {
    add(k, typeof v === 'string' ? v : JSON.stringify(v), 'line');
  }
  return fields;
}

function jsonOf(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(line);
    return value && typeof value === 'object' ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

/** The trace that a row belongs to, wherever it says so. */
export function traceIdOf(row: LogRow): string | null {
  const known = row.meta.trace_id ?? row.labels.trace_id ?? row.meta.traceId ?? row.labels.traceId;
  const id = known ?? /"?trace_?[iI]d"?\s*[:=]\s*"?([0-9a-f]{32})\b/.exec(row.line)?.[1];
  return id && /^[0-9a-f]{32}$/.test(id) ? id : null;
}

export function spanIdOf(row: LogRow): string | null {
  return row.meta.span_id ?? row.labels.span_id ?? null;
}

/** Adds rows in front of a list that keeps at most `max`, dropping what is already there. */
export function prependRows(rows: LogRow[], fresh: LogRow[], max: number): LogRow[] {
  const known = new Set(rows.map((r) => r.ns + r.line));
  const added = fresh.filter((r) => !known.has(r.ns + r.line));
  return added.length ? [...added, ...rows].slice(0, max) : rows;
}
