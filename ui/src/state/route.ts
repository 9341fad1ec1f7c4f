// SPDX-License-Identifier: Apache-2.0
// The address bar is the state: page and parameters as signals, links that keep range and refresh.

import { computed, signal } from '@preact/signals';

export const BASE = '/ui';
const KEPT = ['from', 'to', 'refresh'] as const;

const here = signal(location.pathname + location.search);
addEventListener('popstate', () => { here.value = location.pathname + location.search; });

const url = computed(() => new URL(here.value, location.origin));

/** Path below /ui without slashes at its ends: "", "traces", "trace/4bf9…". */
export const path = computed(() => url.value.pathname.replace(BASE, '').replace(/^\/|\/$/g, ''));
export const params = computed(() => url.value.searchParams);

type Changes = Record<string, string | null | undefined>;

/** Address of a page; range and refresh come along unless told otherwise. */
export function href(page: string, changes: Changes = {}): string {
  const kept = new URLSearchParams();
  for (const key of KEPT) {
    const value = params.value.get(key);
    if (value) kept.set(key, value);
  }
  return BASE + (page ? `/${page}` : '/') + search(kept, changes);
}

function search(base: URLSearchParams, changes: Changes): string {
  const next = new URLSearchParams(base);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString();
  return text ? `?${text}` : '';
}

export function go(to: string, replace = false): void {
  if (to === here.value) return;
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  here.value = to;
  if (!replace) scrollTo(0, 0);
}

/** Changes parameters of this page; null or '' removes one. */
export function setParams(changes: Changes, replace = false): void {
  go(url.value.pathname + search(params.value, changes), replace);
}

/** Makes plain clicks on links inside the page navigate without loading it again. */
export function followLinks(): void {
  addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element).closest?.('a[href]') as HTMLAnchorElement | null;
    if (!link || link.target || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(BASE)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
