// SPDX-License-Identifier: Apache-2.0
// The time range and the refresh clock. Every panel reads `range`, so all show the same moment.

import { computed, effect, signal } from '@preact/signals';

import { isRelative, parseDuration, resolveRange, type Range } from '../lib/time';
import { params, setParams } from './route';

export const DEFAULT_FROM = 'now-15m';

/** Counts refreshes; a new value means: ask again. */
export const tick = signal(0);
const now = signal(Date.now());

const fromText = computed(() => params.value.get('from') || DEFAULT_FROM);
const toText = computed(() => params.value.get('to') || 'now');
export const rangeText = computed(() => ({ from: fromText.value, to: toText.value }));
export const range = computed<Range>(() => {
  tick.value;
  return resolveRange(rangeText.value, now.value);
});

export const REFRESHES = ['off', '5s', '15s', '30s', '1m', '5m'] as const;
export const refresh = computed(() => params.value.get('refresh') || '5s');

export function refreshNow(): void {
  now.value = Date.now();
  tick.value++;
}

export function setRange(from: string, to: string): void {
  now.value = Date.now();
  const isDefault = from === DEFAULT_FROM && to === 'now';
  setParams({ from: isDefault ? null : from, to: to === 'now' ? null : to });
}

/** Zooms to a part of the present range (milliseconds). */
export function zoomTo(start: number, end: number): void {
  if (end - start >= 1000) setRange(String(Math.floor(start)), String(Math.ceil(end)));
}

/** Steps by half a range to either side, or doubles it (`side` 0). */
export function shiftRange(side: -1 | 0 | 1): void {
  const { start, end } = range.value;
  const half = (end - start) / 2;
  const to = Math.min(end + (side === 0 ? half : side * half), Date.now());
  const from = side === 0 ? start - half : to - (end - start);
  zoomTo(from, to);
}

let timer: ReturnType<typeof setInterval> | undefined;
effect(() => {
  clearInterval(timer);
  const ms = refresh.value === 'off' ? null : parseDuration(refresh.value);
  if (ms && isRelative(rangeText.value)) {
    timer = setInterval(() => { if (!document.hidden) refreshNow(); }, Math.max(ms, 1000));
  }
});
addEventListener('visibilitychange', () => {
  if (!document.hidden && refresh.value !== 'off' && isRelative(rangeText.value)) refreshNow();
});
