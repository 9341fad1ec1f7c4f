// SPDX-License-Identifier: Apache-2.0
// A matrix answer on one time grid, as charts want it.

import type { Range } from './time';

export interface RawSeries { metric: Record<string, string>; values: [number, string][] }
export interface Grid { times: number[]; rows: { metric: Record<string, string>; values: (number | null)[] }[] }

/** Every series on the grid start, start+step, … end (seconds); null where it has no sample. */
export function onGrid(series: RawSeries[], range: Range, stepS: number): Grid {
  const first = range.start / 1000;
  const size = Math.max(1, Math.floor((range.end - range.start) / 1000 / stepS + 1e-6) + 1);
  const times = Array.from({ length: size }, (_, i) => first + i * stepS);
  const rows = series.map((s) => {
    const values = new Array<number | null>(size).fill(null);
    for (const [t, text] of s.values) {
      const i = Math.round((t - first) / stepS);
      const v = parseSample(text);
      if (i >= 0 && i < size) values[i] = Number.isNaN(v) ? null : v;
    }
    return { metric: s.metric, values };
  });
  return { times, rows };
}

/** "+Inf", "-Inf" and "NaN" as Prometheus spells them. */
export function parseSample(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}
