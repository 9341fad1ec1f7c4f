// SPDX-License-Identifier: Apache-2.0
// Lines per step, stacked by level; hover reads, a drag zooms.

import { useMemo, useRef, useState } from 'preact/hooks';

import { Panel } from '../../kit/basics';
import { count, dayClock, num, tick } from '../../lib/format';
import { LEVELS, levelOf, type Level } from '../../lib/logs';
import { onGrid, type Grid } from '../../lib/matrix';
import { volumeQuery } from '../../lib/query';
import { alignRange, stepFor, timeTicks, type Range } from '../../lib/time';
import { lokiRange } from '../../state/api';
import { range, zoomTo } from '../../state/range';
import { useQuery } from '../../state/use-query';
import { useWidth } from '../traces/scatter';

const HEIGHT = 92;
const BOTTOM = 20;
const LEFT = 46;

interface Bins { times: number[]; byLevel: Map<Level, number[]>; totals: number[]; stepS: number; range: Range }

/** Bars by level; several spellings of a level fall into one. */
export function binsOf(grid: Grid, stepS: number, asked: Range): Bins {
  const byLevel = new Map<Level, number[]>();
  const totals = new Array<number>(grid.times.length).fill(0);
  for (const row of grid.rows) {
    const level = levelOf(row.metric.level ?? row.metric.detected_level);
    const bins = byLevel.get(level) ?? new Array<number>(grid.times.length).fill(0);
    byLevel.set(level, bins);
    row.values.forEach((v, i) => {
      bins[i]! += v ?? 0;
      totals[i]! += v ?? 0;
    });
  }
  return { times: grid.times, byLevel, totals, stepS, range: asked };
}

export function Volume({ query }: { query: string }) {
  const answer = useQuery(`volume/${query}`, async (signal) => {
    const step = stepFor(range.value, 90);
    const asked = alignRange(range.value, step);
    const found = await lokiRange(volumeQuery(query, step), asked, { step }, signal);
    return binsOf(onGrid(found.kind === 'matrix' ? found.series : [], asked, step), step, asked);
  }, query);
  if (!answer.data) return null;
  const levels = LEVELS.filter((l) => answer.data!.byLevel.has(l));
  const sum = (l: Level) => answer.data!.byLevel.get(l)!.reduce((a, b) => a + b, 0);
  return (
    <Panel class="volume" busy={answer.busy}>
      <div class="volume-legend">
        {levels.map((l) => <span class={`level-${l}`}><span class="swatch level-fill" />{l === 'other' ? 'no level' : l} <b>{count(sum(l))}</b></span>)}
      </div>
      <Bars bins={answer.data} />
    </Panel>
  );
}

function Bars({ bins }: { bins: Bins }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const svg = useRef<SVGSVGElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const max = useMemo(() => Math.max(1, ...bins.totals), [bins]);
  const { start, end } = bins.range;
  const plot = Math.max(1, width - LEFT - 8);
  const slot = plot / bins.times.length;
  const x = (i: number) => LEFT + i * slot;
  const h = (v: number) => (v / max) * (HEIGHT - BOTTOM - 6);
  const px = (e: PointerEvent) => e.clientX - svg.current!.getBoundingClientRect().left;
  const at = (p: number) => Math.max(0, Math.min(bins.times.length - 1, Math.floor((p - LEFT) / slot)));
  const finish = () => {
    if (drag && Math.abs(drag.to - drag.from) > 4) {
      const [a, b] = [at(Math.min(drag.from, drag.to)), at(Math.max(drag.from, drag.to))];
      zoomTo((bins.times[a]! - bins.stepS) * 1000, bins.times[b]! * 1000);
    }
    setDrag(null);
  };
  return (
    <div class="bars" ref={ref}>
      {width > 0 && (
        <svg ref={svg} width={width} height={HEIGHT} role="img" aria-label="Log lines over time by level"
          onPointerDown={(e) => setDrag({ from: px(e), to: px(e) })}
          onPointerMove={(e) => {
            setHover(px(e) > LEFT ? at(px(e)) : null);
            if (drag) setDrag({ ...drag, to: px(e) });
          }}
          onPointerUp={finish} onPointerLeave={() => { setHover(null); finish(); }}>
          <g class="axis"><line x1={LEFT} x2={width - 8} y1={HEIGHT - BOTTOM} y2={HEIGHT - BOTTOM} />
            <text x={LEFT - 6} y={14} text-anchor="end">{num(max)}</text></g>
          {bins.times.map((_, i) => {
            let y = HEIGHT - BOTTOM;
            return LEVELS.map((l) => {
              const v = bins.byLevel.get(l)?.[i] ?? 0;
              if (!v) return null;
              y -= h(v);
              return <rect class={`level-${l} level-bar${hover === i ? ' hot' : ''}`} x={x(i) + 0.5} y={y} width={Math.max(1, slot - 1)} height={h(v)} />;
            });
          })}
          {timeTicks(bins.range, Math.max(2, width / 110)).map((t) => (
            <text class="axis-text" x={LEFT + ((t - start) / (end - start)) * plot} y={HEIGHT - 5} text-anchor="middle">{tick(t, end - start)}</text>
          ))}
          {drag && <rect class="brush" x={Math.min(drag.from, drag.to)} y={0} width={Math.abs(drag.to - drag.from)} height={HEIGHT - BOTTOM} />}
        </svg>
      )}
      {hover !== null && bins.totals[hover]! > 0 && (
        <div class="tip" style={{ left: `${Math.min(x(hover) + 12, width - 170)}px`, top: '4px' }}>
          <span class="faint">{dayClock(bins.times[hover]! * 1000)}</span>
          {LEVELS.filter((l) => bins.byLevel.get(l)?.[hover]).map((l) => (
            <div class={`level-${l} tip-row`}><span class="swatch level-fill" />{l === 'other' ? 'no level' : l}<b>{count(bins.byLevel.get(l)![hover]!)}</b></div>
          ))}
        </div>
      )}
    </div>
  );
}
