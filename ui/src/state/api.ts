// SPDX-License-Identifier: Apache-2.0
// The public HTTP APIs that the pages read: Prometheus, Loki, Tempo, and Weir's own two calls.
// Nothing here is private: each call works with curl.

import type { Sample } from '../lib/flow';
import type { LokiStream } from '../lib/logs';
import { spansOf, type KeyValue, type Span } from '../lib/otlp';
import type { Range } from '../lib/time';
import { ApiError, getJson, postForm } from './http';

// ---- Prometheus ----------------------------------------------------------------------------------

export interface Matrix { metric: Record<string, string>; values: [number, string][] }
interface PromAnswer<T> { data: T; warnings?: string[]; infos?: string[] }
interface PromResult { resultType: 'matrix' | 'vector' | 'scalar' | 'string'; result: unknown }

export interface RangeAnswer { series: Matrix[]; warnings: string[] }

export async function promRange(query: string, range: Range, step: number, signal?: AbortSignal): Promise<RangeAnswer> {
  const answer = await postForm<PromAnswer<PromResult>>('/api/v1/query_range', {
    query, start: range.start / 1000, end: range.end / 1000, step,
  }, signal);
  return { series: answer.data.result as Matrix[], warnings: [...answer.warnings ?? [], ...answer.infos ?? []] };
}

/** An instant query's vector; a scalar comes as one sample without labels. */
export async function promInstant(query: string, timeMs: number, signal?: AbortSignal): Promise<Sample[]> {
  const answer = await postForm<PromAnswer<PromResult>>('/api/v1/query', { query, time: timeMs / 1000 }, signal);
  const { resultType, result } = answer.data;
  if (resultType === 'scalar') return [{ metric: {}, value: Number((result as [number, string])[1]) }];
  if (resultType !== 'vector') return [];
  return (result as { metric: Record<string, string>; value: [number, string] }[])
    .map((s) => ({ metric: s.metric, value: Number(s.value[1]) }));
}

export interface Exemplar { labels: Record<string, string>; time: number; value: number }   // time in seconds

/** The measurements behind a query's series, each with the trace that it was made in. */
export async function promExemplars(query: string, range: Range, signal?: AbortSignal): Promise<Exemplar[]> {
  const answer = await postForm<PromAnswer<{ exemplars: { labels: Record<string, string>; value: string; timestamp: number }[] }[]>>(
    '/api/v1/query_exemplars', { query, start: range.start / 1000, end: range.end / 1000 }, signal);
  return answer.data.flatMap((s) => s.exemplars.map((e) => ({ labels: e.labels, time: e.timestamp, value: Number(e.value) })));
}

export async function promLabelValues(label: string, range: Range, match?: string, signal?: AbortSignal): Promise<string[]> {
  const answer = await getJson<PromAnswer<string[]>>(`/api/v1/label/${encodeURIComponent(label)}/values`, {
    start: range.start / 1000, end: range.end / 1000, 'match[]': match,
  }, signal);
  return answer.data ?? [];
}

export interface Metadata { type: string; help: string; unit: string }

export async function promMetadata(signal?: AbortSignal): Promise<Record<string, Metadata[]>> {
  return (await getJson<PromAnswer<Record<string, Metadata[]>>>('/api/v1/metadata', {}, signal)).data ?? {};
}

export interface AlertNow { labels: Record<string, string>; annotations: Record<string, string>; state: string; activeAt: string; value: string }
export interface Rule {
  name: string; query: string; type: string; health: string; lastError: string; evaluationTime: number;
  state?: string; duration?: number; alerts?: AlertNow[];
}
export interface RuleGroup { name: string; file: string; interval: number; rules: Rule[] }

export async function promRules(signal?: AbortSignal): Promise<RuleGroup[]> {
  return (await getJson<PromAnswer<{ groups: RuleGroup[] }>>('/api/v1/rules', {}, signal)).data.groups;
}

// ---- Loki ----------------------------------------------------------------------------------------

export type LokiResult =
  | { kind: 'streams'; streams: LokiStream[] }
  | { kind: 'matrix'; series: Matrix[] };

interface LokiAnswer { data: { resultType: string; result: unknown } }

export async function lokiRange(
  query: string, range: Range, options: { limit?: number; step?: number; direction?: 'forward' | 'backward' },
  signal?: AbortSignal,
): Promise<LokiResult> {
  const answer = await getJson<LokiAnswer>('/loki/api/v1/query_range', {
    query, start: `${Math.floor(range.start)}000000`, end: `${Math.ceil(range.end)}000000`,
    limit: options.limit, direction: options.direction ?? 'backward',
    step: options.step === undefined ? undefined : `${options.step}s`,
  }, signal, { 'X-Loki-Response-Encoding-Flags': 'categorize-labels' });
  const { resultType, result } = answer.data;
  if (resultType === 'streams') return { kind: 'streams', streams: result as LokiStream[] };
  return { kind: 'matrix', series: result as Matrix[] };
}

export async function lokiLabels(range: Range, signal?: AbortSignal): Promise<string[]> {
  const answer = await getJson<{ data?: string[] }>('/loki/api/v1/labels', nsRange(range), signal);
  return answer.data ?? [];
}

export async function lokiLabelValues(label: string, range: Range, signal?: AbortSignal): Promise<string[]> {
  const answer = await getJson<{ data?: string[] }>(
    `/loki/api/v1/label/${encodeURIComponent(label)}/values`, nsRange(range), signal);
  return answer.data ?? [];
}

const nsRange = (r: Range) => ({ start: `${Math.floor(r.start)}000000`, end: `${Math.ceil(r.end)}000000` });

/** Follows the tail of a query; the returned function ends it. */
export function lokiTail(query: string, on: {
  open: () => void; streams: (streams: LokiStream[], dropped: number) => void; close: (why: string) => void;
}): () => void {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const text = new URLSearchParams({ query, limit: '100' });
  const socket = new WebSocket(`${scheme}://${location.host}/loki/api/v1/tail?${text}`);
  let ended = false;
  socket.onopen = on.open;
  socket.onmessage = (event) => {
    const body = JSON.parse(String(event.data)) as { streams?: LokiStream[]; dropped_entries?: unknown[] | null };
    on.streams(body.streams ?? [], body.dropped_entries?.length ?? 0);
  };
  socket.onclose = (event) => {
    if (!ended) on.close(event.reason || 'The server closed the live tail.');
  };
  return () => {
    ended = true;
    socket.close();
  };
}

// ---- Tempo ---------------------------------------------------------------------------------------

export interface TraceHit {
  traceID: string;
  rootServiceName?: string;
  rootTraceName?: string;
  startTimeUnixNano: string;
  durationMs?: number;
  spanSet?: SpanSet;
  spanSets?: SpanSet[];
  serviceStats?: Record<string, { spanCount?: number; errorCount?: number }>;
}
interface SpanSet { matched?: number; spans?: { spanID: string; attributes?: KeyValue[] }[] }

export async function tempoSearch(q: string, range: Range, limit: number, signal?: AbortSignal): Promise<TraceHit[]> {
  const answer = await getJson<{ traces?: TraceHit[] }>('/api/search', {
    q, limit, start: Math.floor(range.start / 1000), end: Math.ceil(range.end / 1000),
  }, signal);
  return answer.traces ?? [];
}

export async function tempoTagValues(tag: string, range: Range, signal?: AbortSignal): Promise<string[]> {
  const answer = await getJson<{ tagValues?: { value: string }[] }>(
    `/api/v2/search/tag/${encodeURIComponent(tag)}/values`,
    { start: Math.floor(range.start / 1000), end: Math.ceil(range.end / 1000) }, signal);
  return (answer.tagValues ?? []).map((v) => v.value).sort();
}

// ---- Weir ----------------------------------------------------------------------------------------

/** All spans of the flow that a trace is part of; from Tempo's call where ours does not exist. Empty when
 *  the trace is not there. */
export async function flowSpans(traceId: string, signal?: AbortSignal): Promise<Span[]> {
  try {
    return spansOf(await getJson(`/weir/v1/trace/${traceId}`, {}, signal));
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 501)) throw error;
  }
  try {
    return spansOf(await getJson(`/api/traces/${traceId}`, {}, signal));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

export type StatusAnswer = Record<string, unknown>;
export const weirStatus = (signal?: AbortSignal): Promise<StatusAnswer> => getJson('/weir/v1/status', {}, signal);
