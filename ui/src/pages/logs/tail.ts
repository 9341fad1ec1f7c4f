// SPDX-License-Identifier: Apache-2.0
// The live tail of a query: a bounded list, newest first; pausing collects without moving the page.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import { prependRows, rowsOf, type LogRow } from '../../lib/logs';
import { lokiTail } from '../../state/api';

const KEEP = 1000;
const FRAME_MS = 200;

export interface Tail {
  rows: LogRow[];
  state: 'opening' | 'open' | 'closed';
  why: string;             // why it was closed, '' while open
  paused: boolean;
  waiting: number;         // lines that came during the pause
  dropped: number;         // lines that the server could not send in time
  toggle: () => void;
  clear: () => void;
  again: () => void;
}

/** Follows `query`; null follows nothing. */
export function useTail(query: string | null): Tail {
  const [rows, setRows] = useState<LogRow[]>([]);
  const [link, setLink] = useState<{ state: Tail['state']; why: string }>({ state: 'opening', why: '' });
  const [paused, setPaused] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const [dropped, setDropped] = useState(0);
  const [attempt, setAttempt] = useState(0);
  const fresh = useRef<LogRow[]>([]);
  const isPaused = useRef(false);
  isPaused.current = paused;

  const flush = useCallback(() => {
    if (isPaused.current) {
      setWaiting(fresh.current.length);
      return;
    }
    if (!fresh.current.length) return;
    const batch = fresh.current;
    fresh.current = [];
    setWaiting(0);
    setRows((old) => prependRows(old, batch, KEEP));
  }, []);

  useEffect(() => {
    if (query === null) return undefined;
    setRows([]);
    setDropped(0);
    setLink({ state: 'opening', why: '' });
    fresh.current = [];
    const end = lokiTail(query, {
      open: () => setLink({ state: 'open', why: '' }),
      streams: (streams, lost) => {
        fresh.current = [...rowsOf(streams), ...fresh.current].slice(0, KEEP);
        if (lost) setDropped((n) => n + lost);
      },
      close: (why) => setLink({ state: 'closed', why }),
    });
    const timer = setInterval(flush, FRAME_MS);
    return () => {
      clearInterval(timer);
      end();
    };
  }, [query, attempt]);

  return {
    rows, ...link, paused, waiting, dropped,
    toggle: () => setPaused(!paused),
    clear: () => {
      fresh.current = [];
      setRows([]);
    },
    again: () => setAttempt((n) => n + 1),
  };
}
