// SPDX-License-Identifier: Apache-2.0
// OTLP/JSON traces to plain spans. Ids come as hex (OTLP/JSON) or base64 (protobuf's JSON mapping).

export type Value = string | number | boolean | Value[] | { [key: string]: Value } | null;
export type Attributes = Record<string, Value>;

export interface SpanEvent { ns: bigint; name: string; attributes: Attributes }
export interface SpanLink { traceId: string; spanId: string; attributes: Attributes }

export interface Span {
  traceId: string;
  spanId: string;
  parentId: string;        // '' for a root
  name: string;
  kind: Kind;
  startNs: bigint;
  endNs: bigint;
  status: 'unset' | 'ok' | 'error';
  statusMessage: string;
  service: string;
  attributes: Attributes;
  resource: Attributes;
  scope: string;
  events: SpanEvent[];
  links: SpanLink[];
}

export type Kind = 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
const KINDS: readonly Kind[] = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

interface AnyValue {
  stringValue?: string; intValue?: string | number; doubleValue?: number; boolValue?: boolean;
  bytesValue?: string; arrayValue?: { values?: AnyValue[] }; kvlistValue?: { values?: KeyValue[] };
}
export interface KeyValue { key: string; value?: AnyValue }

export function valueOf(v: AnyValue | undefined): Value {
  if (!v) return null;
  if (v.stringValue !== undefined) return v.stringValue;
  if (v.intValue !== undefined) return numberOrText(v.intValue);
  if (v.doubleValue !== undefined) return Number(v.doubleValue);
  if (v.boolValue !== undefined) return v.boolValue;
  if (v.arrayValue) return (v.arrayValue.values ?? []).map(valueOf);
  if (v.kvlistValue) return attributesOf(v.kvlistValue.values);
  return v.bytesValue ?? null;
}

function numberOrText(v: string | number): Value {
  const n = Number(v);
  return Number.isSafeInteger(n) ? n : String(v);
}

export function attributesOf(list: KeyValue[] | undefined): Attributes {
  const out: Attributes = {};
  for (const kv of list ?? []) out[kv.key] = valueOf(kv.value);
  return out;
}

/** An id as lower-case hex of `bytes` bytes, from hex or base64. */
export function idOf(text: string | undefined, bytes: number): string {
  if (!text) return '';
  if (text.length === bytes * 2 && /^[0-9a-fA-F]+$/.test(text)) return text.toLowerCase();
  try {
    return Array.from(atob(text), (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  } catch {
    return text;
  }
}

function kindOf(v: unknown): Kind {
  if (typeof v === 'number') return KINDS[v] ?? 'unspecified';
  const name = String(v ?? '').replace('SPAN_KIND_', '').toLowerCase() as Kind;
  return KINDS.includes(name) ? name : 'unspecified';
}

function statusOf(status: { code?: unknown } | undefined): Span['status'] {
  const code = status?.code;
  if (code === 2 || code === 'STATUS_CODE_ERROR') return 'error';
  return code === 1 || code === 'STATUS_CODE_OK' ? 'ok' : 'unset';
}

/* eslint-disable @typescript-eslint/no-explicit-any -- this is where foreign JSON becomes typed */
/** Spans of `resourceSpans` (or the older `batches`), in any order, duplicates dropped. */
export function spansOf(answer: any): Span[] {
  const batches = answer?.resourceSpans ?? answer?.batches ?? answer?.trace?.resourceSpans ?? [];
  const spans = new Map<string, Span>();
  for (const batch of batches) {
    const resource = attributesOf(batch.resource?.attributes);
    for (const scoped of batch.scopeSpans ?? batch.instrumentationLibrarySpans ?? []) {
      for (const raw of scoped.spans ?? []) {
        const span = spanOf(raw, resource, scoped.scope?.name ?? '');
        spans.set(`${span.traceId}/${span.spanId}`, span);
      }
    }
  }
  return [...spans.values()];
}

function spanOf(raw: any, resource: Attributes, scope: string): Span {
  const startNs = BigInt(raw.startTimeUnixNano ?? 0);
  const endNs = BigInt(raw.endTimeUnixNano ?? 0);
  return {
    traceId: idOf(raw.traceId, 16), spanId: idOf(raw.spanId, 8), parentId: idOf(raw.parentSpanId, 8),
    name: raw.name ?? '', kind: kindOf(raw.kind),
    startNs, endNs: endNs < startNs ? startNs : endNs,
    status: statusOf(raw.status), statusMessage: raw.status?.message ?? '',
    service: String(resource['service.name'] ?? 'unknown'),
    attributes: attributesOf(raw.attributes), resource, scope,
    events: (raw.events ?? []).map((e: any) => ({
      ns: BigInt(e.timeUnixNano ?? 0), name: e.name ?? '', attributes: attributesOf(e.attributes),
    })),
    links: (raw.links ?? []).map((l: any) => ({
      traceId: idOf(l.traceId, 16), spanId: idOf(l.spanId, 8), attributes: attributesOf(l.attributes),
    })),
  };
}
