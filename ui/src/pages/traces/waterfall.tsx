// SPDX-License-Identifier: Apache-2.0
// The waterfall: fixed-height rows of which only the visible ones exist, so size does not matter.

import { useEffect, useRef, useState } from 'preact/hooks';

import { colorIndex } from '../../kit/basics';
import { Icon } from '../../kit/icons';
import { millis, plural } from '../../lib/format';
import { linkedWith, type Flow, type Node } from '../../lib/trace';
import { useWidth } from './scatter';

const ROW = 28;
const OVERSCAN = 12;
const INDENT = 14;
const MAX_INDENT = 9;

interface Props {
  flow: Flow; rows: Node[]; collapsed: ReadonlySet<string>; selected: Node | null;
  onSelect: (n: Node | null) => void; onToggle: (n: Node) => void;
}

export function Waterfall({ flow, rows, collapsed, selected, onSelect, onToggle }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [hover, setHover] = useState<Node | null>(null);
  const [barsRef, barsWidth] = useWidth<HTMLDivElement>();

  useEffect(() => {
    const el = box.current!;
    const read = () => setView({ top: el.scrollTop, height: el.clientHeight });
    const watch = new ResizeObserver(read);
    watch.observe(el);
    el.addEventListener('scroll', read, { passive: true });
    return () => {
      watch.disconnect();
      el.removeEventListener('scroll', read);
    };
  }, []);

  useEffect(() => {
    const i = selected ? rows.indexOf(selected) : -1;
    const el = box.current;
    if (i < 0 || !el) return;
    if (i * ROW < el.scrollTop) el.scrollTop = i * ROW;
    else if ((i + 1) * ROW > el.scrollTop + el.clientHeight) el.scrollTop = (i + 1) * ROW - el.clientHeight;
  }, [selected, rows]);

  const first = Math.max(0, Math.floor(view.top / ROW) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + OVERSCAN);
  const shown = rows.slice(first, last);
  const level = baseLevel(rows, Math.floor(view.top / ROW), Math.ceil((view.top + view.height) / ROW));
  const focus = hover ?? selected;
  const linked = focus ? new Set(linkedWith(flow, focus)) : new Set<Node>();
  const total = Math.max(flow.durationMs, 1e-6);

  return (
    <div class="waterfall">
      <div class="wf-head">
        <div class="wf-name">Span{level > 0 && <span class="faint"> from level {level + 1}</span>}</div>
        <div class="wf-scale" ref={barsRef}>
          {[0, 0.25, 0.5, 0.75, 1].map((f) => (
            <span style={{ left: `${f * 100}%` }} class={f === 1 ? 'end' : ''}>{millis(total * f)}</span>
          ))}
        </div>
      </div>
      <div class="wf-rows" ref={box} role="tree" aria-label="Spans" tabIndex={0}
        style={{ maxHeight: 'calc(100vh - 236px)' }}>
        <div class="wf-space" style={{ height: `${rows.length * ROW}px` }}>
          <div style={{ transform: `translateY(${first * ROW}px)` }}>
            {shown.map((n) => (
              <Row key={n.id} node={n} level={level} total={total} open={!collapsed.has(n.id)} selected={n === selected}
                linked={linked.has(n)} onSelect={onSelect} onToggle={onToggle} onHover={setHover} />
            ))}
          </div>
          {focus && barsWidth > 0 && <Links focus={focus} linked={linked} rows={rows} total={total} width={barsWidth} />}
        </div>
      </div>
    </div>
  );
}

/** Deep down, indentation starts at what is in view, so that names stay readable. */
function baseLevel(rows: Node[], from: number, to: number): number {
  let least = Infinity;
  let most = 0;
  for (const n of rows.slice(from, to)) {
    least = Math.min(least, n.depth);
    most = Math.max(most, n.depth);
  }
  return most > MAX_INDENT && Number.isFinite(least) ? Math.max(0, least - 1) : 0;
}

interface RowProps {
  node: Node; level: number; total: number; open: boolean; selected: boolean; linked: boolean;
  onSelect: (n: Node) => void; onToggle: (n: Node) => void; onHover: (n: Node | null) => void;
}

function Row({ node, level, total, open, selected, linked, onSelect, onToggle, onHover }: RowProps) {
  const { span } = node;
  const left = (node.startMs / total) * 100;
  const width = (node.durationMs / total) * 100;
  const onLeft = left + width > 78;
  return (
    <div class={`wf-row${selected ? ' selected' : ''}${linked ? ' linked' : ''}`} role="treeitem"
      aria-level={node.depth + 1} aria-selected={selected} aria-expanded={node.children.length ? open : undefined}
      onClick={() => onSelect(node)} onMouseEnter={() => onHover(node)} onMouseLeave={() => onHover(null)}>
      <div class="wf-name" style={{ paddingLeft: `${8 + Math.max(0, Math.min(node.depth - level, MAX_INDENT)) * INDENT}px` }}>
        {node.children.length
          ? (
            <button type="button" class={`twist${open ? ' open' : ''}`} tabIndex={-1} aria-label={open ? 'Collapse' : 'Expand'}
              onClick={(e) => { e.stopPropagation(); onToggle(node); }}><Icon name="chevron" size={12} /></button>
          )
          : <span class="twist" />}
        {!node.isLane && <span class={`dot c${colorIndex(span.service)}`} />}
        {node.relation === 'link' && <span class="rel" title="Hangs here by its link"><Icon name="link" size={12} /></span>}
        {span.status === 'error' && <span class="bad-text" title={span.statusMessage || 'Error'}><Icon name="warn" size={13} /></span>}
        <span class="wf-span" title={`${span.service}: ${span.name}`}>{span.name}</span>
        <span class="wf-service">{node.isLane ? plural(node.children.length, 'message') : span.service}</span>
        {!open && <span class="badge">{node.size - 1}</span>}
        {node.orphan && <span class="badge" title="Its parent span has not arrived">no parent</span>}
      </div>
      <div class="wf-bars">
        <span class={`wf-bar c${colorIndex(span.service)}${span.status === 'error' ? ' error' : ''}${node.isLane ? ' lane' : ''}`}
          style={{ left: `${left}%`, width: `max(2px, ${width}%)` }} />
        {span.events.map((e) => (
          <span class={`wf-event${e.name === 'exception' ? ' error' : ''}`} title={e.name}
            style={{ left: `${((node.startMs + Number(e.ns - span.startNs) / 1e6) / total) * 100}%` }} />
        ))}
        <span class="wf-time" style={onLeft ? { right: `${100 - left}%` } : { left: `${left + width}%` }}>{millis(node.durationMs)}</span>
      </div>
    </div>
  );
}

/** Curves from the focused span to what it is linked with. */
function Links({ focus, linked, rows, total, width }: {
  focus: Node; linked: Set<Node>; rows: Node[]; total: number; width: number;
}) {
  const from = rows.indexOf(focus);
  if (from < 0 || !linked.size) return null;
  const x = (n: Node) => (n.startMs / total) * width;
  const y = (i: number) => i * ROW + ROW / 2;
  const ends = [...linked].map((n) => ({ n, i: rows.indexOf(n) })).filter((e) => e.i >= 0);
  return (
    <svg class="wf-links" style={{ width: `${width}px` }} width={width} height={rows.length * ROW} aria-hidden="true">
      {ends.map(({ n, i }) => {
        const bend = Math.max(18, Math.abs(i - from) * 4);
        return (
          <g>
            <path d={`M${x(focus)} ${y(from)} C${x(focus) - bend} ${y(from)} ${x(n) - bend} ${y(i)} ${x(n)} ${y(i)}`} />
            <circle cx={x(n)} cy={y(i)} r="3" />
          </g>
        );
      })}
    </svg>
  );
}
