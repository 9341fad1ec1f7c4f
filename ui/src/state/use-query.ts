// SPDX-License-Identifier: Apache-2.0
// One hook for everything that is asked of the server.
//
// While a new answer is under way the old one stays on screen; `busy` turns true only when it takes
// longer than a blink. A new key overtakes an open question; a mere refresh waits for it, so that a
// slow server is never asked the same thing twice at once and always gets to answer.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import { rangeText, tick } from './range';

export interface Answer<T> {
  data: T | undefined;
  error: Error | undefined;   // of the last question; older data may still be there
  loading: boolean;           // a question is open
  busy: boolean;              // … and has been for a while
  again: () => void;
}

interface State<T> { data?: T; error?: Error; subject: string; loading: boolean; busy: boolean }

const BLINK_MS = 250;

/** Asks when `key` or the time range changes and at every refresh; a null key asks nothing. When
 *  `subject` changes, the old subject's data is dropped instead of shown meanwhile. */
export function useQuery<T>(
  key: string | null, ask: (signal: AbortSignal) => Promise<T>, subject = '',
): Answer<T> {
  const { from, to } = rangeText.value;
  return useQueryAt(key === null ? null : `${key}\n${from}\n${to}`, tick.value, ask, subject);
}

/** As useQuery, for what does not depend on the time range. */
export function useQueryOnce<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): Answer<T> {
  return useQueryAt(key, 0, ask, key ?? '');
}

function useQueryAt<T>(
  key: string | null, stamp: number, ask: (signal: AbortSignal) => Promise<T>, subject: string,
): Answer<T> {
  const [state, set] = useState<State<T>>({ subject, loading: key !== null, busy: false });
  const [retries, setRetries] = useState(0);
  const open = useRef<{ control: AbortController; stale: boolean } | null>(null);
  const latest = useRef({ ask, subject });
  latest.current = { ask, subject };
  const asked = useRef(stamp);

  const run = useCallback(() => {
    const mine = { control: new AbortController(), stale: false };
    open.current = mine;
    const about = latest.current.subject;
    set((old) => ({ ...old, loading: true }));
    const blink = setTimeout(() => set((old) => ({ ...old, busy: true })), BLINK_MS);
    const settle = (data: T | undefined, error: Error | undefined) => {
      clearTimeout(blink);
      if (open.current !== mine) return;
      open.current = null;
      set((old) => ({
        subject: about, error, loading: false, busy: false,
        data: error && old.subject === about ? old.data : data,
      }));
      if (mine.stale) run();
    };
    latest.current.ask(mine.control.signal).then(
      (data) => settle(data, undefined),
      (error: Error) => settle(undefined, error),
    );
    return () => clearTimeout(blink);
  }, []);

  useEffect(() => {
    if (key === null) {
      set((old) => ({ ...old, loading: false, busy: false }));
      return undefined;
    }
    const stop = run();
    return () => {
      stop();
      open.current?.control.abort();
      open.current = null;
    };
  }, [key, retries]);

  useEffect(() => {
    if (key === null || asked.current === stamp) return;
    asked.current = stamp;
    if (open.current) open.current.stale = true;
    else run();
  }, [stamp]);

  const again = useCallback(() => setRetries((n) => n + 1), []);
  const fits = state.subject === subject;
  return {
    data: fits ? state.data : undefined, error: fits ? state.error : undefined,
    loading: state.loading, busy: state.busy, again,
  };
}
