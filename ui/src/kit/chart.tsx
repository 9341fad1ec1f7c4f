// SPDX-License-Identifier: Apache-2.0
// A time chart (uPlot) with its legend table: hover reads values, a drag zooms the time range.

import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import uPlot from 'uplot';

import { clock, num, tick as tickText } from '../lib/format';
import { sparkPath } from '../lib/matrix';
import type { Range } from '../lib/time';
import { zoomTo } from '../state/range';
import { theme } from '../state/theme';

export interface Series { name: string; full?: string; values: (number | null)[]; color?: string }

/** A link at a time (seconds) and a value. */
export interface Dot { time: number; value: number; href: string; title: string }

export interface ChartData { times: number[]; series: Series[]; range: Range; dots?: Dot[] }   // times in seconds

interface Props {
  data: ChartData; height?: number; format?: (v: number | null | undefined) => string; legend?: boolean;
  label: string;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const seriesColor = (i: number): string => `--c${i % 10}`;

function optionsFor(data: ChartData, size: { width: number; height: number },
                    format: (v: number | null | undefined) => string, cursor: Signal<number | null>,
                    dots: () => Dot[]): uPlot.Options {
  const rangeMs = data.range.end - data.range.start;
  const axis = {
    stroke: css('--muted'), font: `11px ${css('--font')}`,
    grid: { stroke: css('--grid'), width: 1 }, ticks: { show: false },
  };
  return {
    ...size,
    ms: 1e-3,
    legend: { show: false },
    scales: { x: { time: true, range: () => [data.range.start / 1000, data.range.end / 1000] },
              y: { range: (_u, min, max) => yRange(min, max) } },
    axes: [
      { ...axis, size: 26, values: (_u, splits) => splits.map((s) => tickText(s * 1000, rangeMs)), space: 70 },
      { ...axis, size: 62, values: (_u, splits) => splits.map((v) => format(v)), space: 34 },
    ],
    cursor: {
      drag: { x: true, y: false, setScale: false }, points: { size: 6 },
      focus: { prox: 24 }, y: false,
    },
    focus: { alpha: 0.35 },
    series: [{}, ...data.series.map((s, i) => ({
      label: s.name, stroke: css(s.color ?? seriesColor(i)), width: 1.5, spanGaps: false,
      points: { show: data.times.length < 3, size: 5 },
      ...(data.series.length === 1 ? { fill: `${css(s.color ?? seriesColor(i))}22` } : {}),
    }))],
    hooks: {
      draw: [(u) => placeDots(u, dots())],
      setCursor: [(u) => { cursor.value = u.cursor.idx ?? null; }],
      setSelect: [(u) => {
        const { left, width } = u.select;
        if (width > 4) zoomTo(u.posToVal(left, 'x') * 1000, u.posToVal(left + width, 'x') * 1000);
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  };
}

const DOT_RADIUS = 6;
const inside = (at: number, size: number): number => Math.min(Math.max(at, DOT_RADIUS), size - DOT_RADIUS);

/** Links over the plot. One whose value is off the scale lies at its edge. Nodes are kept, so that a click survives
 *  a drawing in between. */
function placeDots(u: uPlot, dots: Dot[]): void {
  const nodes = [...u.over.querySelectorAll<HTMLAnchorElement>('a.exemplar')];
  const { clientWidth: width, clientHeight: height } = u.over;
  const shown = dots.map((dot) => ({ dot, x: u.valToPos(dot.time, 'x'), y: u.valToPos(dot.value, 'y') }))
    .filter(({ x, y }) => x >= 0 && x <= width && Number.isFinite(y));
  shown.forEach(({ dot, x, y }, i) => {
    const node = nodes[i] ?? u.over.appendChild(document.createElement('a'));
    node.className = 'exemplar';
    node.href = dot.href;
    node.title = dot.title;
    node.draggable = false;
    node.setAttribute('aria-label', dot.title);
    node.style.left = `${inside(x, width)}px`;
    node.style.top = `${inside(y, height)}px`;
  });
  nodes.slice(shown.length).forEach((node) => node.remove());
}

function yRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  const low = min >= 0 && min < max * 0.6 ? 0 : min;
  const pad = (max - low || Math.abs(max) || 1) * 0.08;
  return [low === 0 ? 0 : low - pad, max + pad];
}

export function TimeChart({ data, height = 240, format = num, legend = true, label }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const cursor = useSignal<number | null>(null);
  const hidden = useSignal<ReadonlySet<string>>(new Set());
  const names = data.series.map((s) => s.name + (s.color ?? '')).join('\n');
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const el = box.current!;
    const make = () => {
      plot.current?.destroy();
      const d = latest.current;
      const o = optionsFor(d, { width: el.clientWidth, height }, format, cursor, () => latest.current.dots ?? []);
      o.scales!.x!.range = () => [latest.current.range.start / 1000, latest.current.range.end / 1000];
      plot.current = new uPlot(o, toPlot(d), el);
    };
    make();
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: el.clientWidth, height }));
    resize.observe(el);
    return () => {
      resize.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, height, theme.value, data.range.end - data.range.start]);

  useEffect(() => { plot.current?.setData(toPlot(data)); }, [data]);
  useEffect(() => {
    data.series.forEach((s, i) => {
      const show = !hidden.value.has(s.name);
      if (plot.current && plot.current.series[i + 1]!.show !== show) plot.current.setSeries(i + 1, { show });
    });
  }, [hidden.value, names]);

  return (
    <div class="chart">
      <div class="chart-plot" ref={box} role="img" aria-label={label} />
      {legend && <Legend data={data} cursor={cursor} hidden={hidden} format={format}
        focus={(i) => plot.current?.setSeries(i === null ? null as unknown as number : i + 1, { focus: i !== null })} />}
    </div>
  );
}

const toPlot = (d: ChartData): uPlot.AlignedData => [d.times, ...d.series.map((s) => s.values)] as uPlot.AlignedData;

const LEGEND_MAX = 200;

function Legend({ data, cursor, hidden, format, focus }: {
  data: ChartData; cursor: Signal<number | null>; hidden: Signal<ReadonlySet<string>>;
  format: (v: number | null | undefined) => string; focus: (i: number | null) => void;
}) {
  const at = cursor.value;
  const time = at !== null ? data.times[at] : undefined;
  const stats = useMemo(() => data.series.map((s) => statsOf(s.values)), [data]);
  /** A click shows this one alone; with Ctrl or Shift it adds or removes it. */
  const toggle = (name: string, add: boolean) => {
    const all = data.series.map((s) => s.name);
    const shown = all.filter((n) => !hidden.value.has(n));
    if (add) {
      const next = new Set(hidden.value);
      if (!next.delete(name)) next.add(name);
      hidden.value = next;
    } else {
      hidden.value = shown.length === 1 && shown[0] === name ? new Set() : new Set(all.filter((n) => n !== name));
    }
  };
  return (
    <div class="legend-scroll">
      <table class="table legend">
        <thead>
          <tr>
            <th>{data.series.length} series</th>
            <th class="num">{time === undefined ? 'last' : clock(time * 1000)}</th>
            <th class="num">min</th><th class="num">mean</th><th class="num">max</th>
          </tr>
        </thead>
        <tbody>
          {data.series.slice(0, LEGEND_MAX).map((s, i) => (
            <tr class={hidden.value.has(s.name) ? 'off' : ''} onMouseEnter={() => focus(i)} onMouseLeave={() => focus(null)}>
              <td>
                <button type="button" class="series" onClick={(e) => toggle(s.name, e.ctrlKey || e.shiftKey || e.metaKey)}
                  title={`${s.full ?? s.name}\nClick: only this one. Ctrl+click: on or off.`}>
                  <span class="swatch" style={{ background: `var(${s.color ?? seriesColor(i)})` }} />
                  <span class="series-name">{s.name}</span>
                </button>
              </td>
              <td class="num strong">{format(at !== null ? s.values[at] ?? null : stats[i]!.last)}</td>
              <td class="num">{format(stats[i]!.min)}</td>
              <td class="num">{format(stats[i]!.mean)}</td>
              <td class="num">{format(stats[i]!.max)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {data.series.length > LEGEND_MAX && <p class="faint">{data.series.length - LEGEND_MAX} more are drawn but not listed.</p>}
    </div>
  );
}

function statsOf(values: (number | null)[]) {
  let min: number | null = null;
  let max: number | null = null;
  let last: number | null = null;
  let sum = 0;
  let n = 0;
  for (const v of values) {
    if (v === null || !Number.isFinite(v)) continue;
    min = min === null || v < min ? v : min;
    max = max === null || v > max ? v : max;
    last = v;
    sum += v;
    n++;
  }
  return { min, max, last, mean: n ? sum / n : null };
}

/** A line without axes on its ground: the shape of the last while. It shrinks with its place. */
export function Spark({ values, width = 120, height = 24, tone = '', label }: {
  values: (number | null)[]; width?: number; height?: number; tone?: string; label: string;
}) {
  const { line, dots } = sparkPath(values, width, height);
  if (!line && !dots.length) return <span class="spark-none" style={{ width: `${width}px` }} />;
  return (
    <svg class={`spark ${tone}`} width={width} height={height} viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} />
      {line && <path d={line} />}
      {dots.map((d) => <path class="spark-dot" d={d} />)}
    </svg>
  );
}
