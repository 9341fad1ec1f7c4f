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

/** The curve of a small picture: `line` through neighbours, `dots` for values that stand alone. */
export function sparkPath(values: (number | null)[], width: number, height: number): { line: string; dots: string[] } {
  const isKnown = (v: number | null | undefined): v is number => typeof v === 'number' && Number.isFinite(v);
  const known = values.filter(isKnown);
  if (!known.length) return { line: '', dots: [] };
  const low = Math.min(0, ...known);
  const scale = Math.max(...known) - low || 1;
  const at = (i: number, v: number) => {
    const x = values.length > 1 ? 2 + (i / (values.length - 1)) * (width - 4) : width - 2;
    return `${x.toFixed(1)} ${(height - 3 - ((v - low) / scale) * (height - 6)).toFixed(1)}`;
  };
  const dots: string[] = [];
  let line = '';
  values.forEach((v, i) => {
    if (!isKnown(v)) return;
    const follows = isKnown(values[i - 1]);
    if (!follows && !isKnown(values[i + 1])) dots.push(`M${at(i, v)}h0`);
    else line += `${follows ? 'L' : 'M'}${at(i, v)}`;
  });
  return { line, dots };
}
