// SPDX-License-Identifier: Apache-2.0
// Traces as dots: time across, duration up (logarithmic), errors in red. A drag zooms.

import { useEffect, useRef, useState } from 'preact/hooks';

import { millis, tick } from '../../lib/format';
import { timeTicks, type Range } from '../../lib/time';
import { zoomTo } from '../../state/range';
import { go, href } from '../../state/route';
import type { Hit } from './search';

const HEIGHT = 148;
const LEFT = 62;
const BOTTOM = 22;
const TOP = 8;
const LEAST_MS = 0.5;   // a search tells whole milliseconds: 0 is "below 1"

/** Width of an element, kept up to date. */
export function useWidth<T extends Element>(): [(el: T | null) => void, number] {
  const [width, setWidth] = useState(0);
  const [el, setEl] = useState<T | null>(null);
  useEffect(() => {
    if (!el) return undefined;
    const watch = new ResizeObserver(() => setWidth(el.clientWidth));
    watch.observe(el);
    return () => watch.disconnect();
  }, [el]);
  return [setEl, width];
}

/** Ends (as powers of ten, with some air) and round ticks of a logarithmic scale in milliseconds. */
function logScale(values: number[]): { bottom: number; top: number; ticks: number[] } {
  const logs = values.map((v) => Math.log10(Math.max(v, LEAST_MS)));
  const low = Math.min(...logs);
  const high = Math.max(...logs);
  const air = Math.max(0.25, (high - low) * 0.12);
  const [bottom, top] = [low - air, high + air];
  const steps = top - bottom > 2.5 ? [1] : top - bottom > 1.2 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let d = Math.floor(bottom); d <= top; d++) {
    for (const s of steps) if (Math.log10(s) + d >= bottom && Math.log10(s) + d <= top) ticks.push(s * 10 ** d);
  }
  return { bottom, top, ticks: ticks.length > 5 ? ticks.filter((_, i) => i % 2 === 0) : ticks };
}

export function Scatter({ hits, range }: { hits: Hit[]; range: Range }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const [hover, setHover] = useState<Hit | null>(null);
  const svg = useRef<SVGSVGElement>(null);

  const { bottom, top, ticks } = logScale(hits.map((h) => h.durationMs));
  const span = range.end - range.start;
  const x = (ms: number) => LEFT + ((ms - range.start) / span) * (width - LEFT - 12);
  const y = (ms: number) => {
    const at = (Math.log10(Math.max(ms, LEAST_MS)) - bottom) / (top - bottom);
    return HEIGHT - BOTTOM - at * (HEIGHT - BOTTOM - TOP);
  };
  const timeAt = (px: number) => range.start + ((px - LEFT) / (width - LEFT - 12)) * span;
  const px = (e: PointerEvent) => e.clientX - svg.current!.getBoundingClientRect().left;

  const finish = () => {
    if (drag && Math.abs(drag.to - drag.from) > 5) {
      zoomTo(timeAt(Math.min(drag.from, drag.to)), timeAt(Math.max(drag.from, drag.to)));
    }
    setDrag(null);
  };
  return (
    <div class="scatter" ref={ref}>
      {width > 0 && (
        <svg ref={svg} width={width} height={HEIGHT} role="img" aria-label="Traces by start time and duration"
          onPointerDown={(e) => { if (!(e.target as Element).closest('.hit')) setDrag({ from: px(e), to: px(e) }); }}
          onPointerMove={(e) => { if (drag) setDrag({ ...drag, to: px(e) }); }}
          onPointerUp={finish} onPointerLeave={finish}>
          {ticks.map((d) => (
            <g class="axis">
              <line x1={LEFT} x2={width - 12} y1={y(d)} y2={y(d)} />
              <text x={LEFT - 8} y={y(d) + 4} text-anchor="end">{millis(d)}</text>
            </g>
          ))}
          {timeTicks(range, Math.max(2, width / 110)).map((t) => (
            <text class="axis-text" x={x(t)} y={HEIGHT - 6} text-anchor="middle">{tick(t, span)}</text>
          ))}
          {drag && <rect class="brush" x={Math.min(drag.from, drag.to)} y={TOP} width={Math.abs(drag.to - drag.from)} height={HEIGHT - BOTTOM - TOP} />}
          {[...hits].sort((a, b) => a.errors - b.errors).map((h) => (
            <circle key={h.id} class={`hit${h.errors ? ' bad' : ''}`} cx={x(h.startMs)} cy={y(h.durationMs)}
              r={Math.min(7, 2.5 + Math.log2(1 + (h.spans ?? 1)) / 2)}
              onPointerEnter={() => setHover(h)} onPointerLeave={() => setHover(null)}
              onClick={() => go(href(`trace/${h.id}`))} />
          ))}
        </svg>
      )}
      {hover && (
        <div class="tip" style={{ left: `${Math.min(x(hover.startMs) + 10, width - 240)}px`, top: `${Math.max(4, y(hover.durationMs) - 44)}px` }}>
          <strong>{hover.name}</strong> {hover.durationMs ? millis(hover.durationMs) : '<1 ms'}<br />
          <span class="faint">{hover.service}{hover.errors ? `, ${hover.errors} errors` : ''}</span>
        </div>
      )}
    </div>
  );
}
