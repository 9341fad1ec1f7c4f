// SPDX-License-Identifier: Apache-2.0
// GET and POST with errors that say what the server said.

import { signal } from '@preact/signals';

/** True from a question that found no server until one that did. */
export const unreachable = signal(false);

/** An answer that is not the asked one: the server's words, and where in the query it points. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,          // 0: the server could not be reached
    readonly position: { line: number; column: number } | null = null,
  ) {
    super(message);
  }
}

/** Finds "line:column" where the languages put it: "1:14: parse error", "at line 1, col 14". */
export function positionIn(message: string): { line: number; column: number } | null {
  const m = /(?:^|[\s(])(\d+):(\d+)(?=[:)\s]|$)/.exec(message) ??
    /line\s+(\d+)\s*,?\s+col(?:umn)?\s+(\d+)/i.exec(message);
  return m ? { line: Number(m[1]), column: Number(m[2]) } : null;
}

interface ErrorBody { error?: unknown; message?: unknown; line?: unknown; column?: unknown }

async function failure(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  let message = text.trim();
  let position: ApiError['position'] = null;
  try {
    const body = JSON.parse(text) as ErrorBody;
    message = String(body.error ?? body.message ?? message);
    if (typeof body.line === 'number') position = { line: body.line, column: Number(body.column ?? 1) };
  } catch { /* plain text */ }
  if (!message || message.startsWith('<')) message = `The server answered ${response.status} ${response.statusText}`;
  return new ApiError(message, response.status, position ?? positionIn(message));
}

async function send(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers: { Accept: 'application/json', ...init.headers } });
  } catch (cause) {
    if ((cause as Error).name === 'AbortError') throw cause;
    unreachable.value = true;
    throw new ApiError('The server cannot be reached. Is `weir serve` running?', 0);
  }
  unreachable.value = false;
  if (!response.ok) throw await failure(response);
  return response;
}

export type Query = Record<string, string | number | readonly string[] | undefined>;

export function encodeQuery(query: Query): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (typeof value === 'object') for (const v of value) out.append(key, v);
    else out.set(key, String(value));
  }
  return out.toString();
}

export async function getJson<T>(
  path: string, query: Query = {}, signal?: AbortSignal, headers: Record<string, string> = {},
): Promise<T> {
  const text = encodeQuery(query);
  const response = await send(text ? `${path}?${text}` : path, { signal, headers });
  return await response.json() as T;
}

export async function postForm<T>(path: string, query: Query, signal?: AbortSignal): Promise<T> {
  const response = await send(path, {
    method: 'POST', body: encodeQuery(query), signal,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  return await response.json() as T;
}
