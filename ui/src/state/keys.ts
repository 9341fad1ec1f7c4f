// SPDX-License-Identifier: Apache-2.0
// The keyboard: "/" search, "g x" pages, "?" help, "r" refresh, "[" and "]" shift the range.

import { go, href } from './route';
import { refreshNow, shiftRange } from './range';

export interface KeyActions {
  pages: Record<string, string>;
  help: () => void;
  escape: () => void;
}

const CHORD_MS = 1200;

/** True while the user is writing somewhere, also inside an editor's shadow root. */
export function isTyping(event: KeyboardEvent): boolean {
  const el = event.composedPath()[0] as HTMLElement | undefined;
  return !!el?.closest?.('input, textarea, select, [contenteditable="true"]') || !!el?.isContentEditable;
}

type Searchable = HTMLElement & { focusQuery?: () => void };

export function focusSearch(): boolean {
  const box = document.querySelector<Searchable>('[data-main-search]');
  if (!box) return false;
  if (box.focusQuery) box.focusQuery();
  else box.focus();
  return true;
}

/** Starts to listen; the returned function ends it. */
export function listenToKeys(actions: KeyActions): () => void {
  let chordUntil = 0;
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      actions.escape();
      if (isTyping(event)) (event.composedPath()[0] as HTMLElement).blur();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (chordUntil > Date.now()) {
      chordUntil = 0;
      const page = actions.pages[event.key];
      if (page !== undefined) {
        event.preventDefault();
        go(href(page));
        return;
      }
    }
    const simple: Record<string, () => unknown> = {
      'g': () => { chordUntil = Date.now() + CHORD_MS; },
      '/': focusSearch,
      '?': actions.help,
      'r': refreshNow,
      '[': () => shiftRange(-1),
      ']': () => shiftRange(1),
    };
    if (simple[event.key]) {
      if (event.key === '/') event.preventDefault();
      simple[event.key]!();
    }
  };
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}
