// SPDX-License-Identifier: Apache-2.0
// One trace, joined with what is linked to it, as a waterfall beside the details of a span.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { Await, Button, Choice, CopyButton, Dot, Panel } from '../../kit/basics';
import { count, dayClock, millis, plural } from '../../lib/format';
import {
  isPoll, joinFlow, keyOf, laneFlow, onPartition, partitionsOf, semanticsOf, visibleRows, type Flow, type Node,
} from '../../lib/trace';
import type { Span } from '../../lib/otlp';
import { flowSpans } from '../../state/api';
import { isTyping } from '../../state/keys';
import { href, params, setParams } from '../../state/route';
import { useQueryOnce } from '../../state/use-query';
import { SpanDetails } from './details';
import { Waterfall } from './waterfall';

export function TracePage({ id }: { id: string }) {
  const traceId = id.toLowerCase().padStart(32, '0');
  const answer = useQueryOnce(`trace/${traceId}`, (signal) => flowSpans(traceId, signal));
  return (
    <div class="page trace-page">
      <Await answer={answer}>
        {(spans) => (spans.length
          ? <TraceView spans={spans} traceId={traceId} again={answer.again} />
          : (
            <div class="empty">
              <h3>This trace is not here</h3>
              <p>No span of <code>{traceId}</code> is stored: it was not sampled, has not arrived yet, or its retention has passed.</p>
              <div class="row"><Button onClick={answer.again}>Look again</Button><a class="button plain" href={href('traces')}>Search traces</a></div>
            </div>
          ))}
      </Await>
    </div>
  );
}

type View = 'message' | 'flow' | 'lanes';
const VIEWS: readonly (readonly [View, string])[] = [
  ['message', 'This message'], ['flow', 'Whole flow'], ['lanes', 'By partition'],
];
const viewOf = (text: string | null): View => (text === 'flow' || text === 'lanes' ? text : 'message');

function TraceView({ spans, traceId, again }: { spans: Span[]; traceId: string; again: () => void }) {
  const view = viewOf(params.value.get('view'));
  const whole = view !== 'message';
  const selectedId = params.value.get('span');
  const partition = params.value.get('partition');
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const shown = useMemo(() => (partition ? onPartition(spans, partition) : spans), [spans, partition]);
  const flow = useMemo(
    () => (view === 'lanes' ? laneFlow(shown, traceId) : joinFlow(shown, traceId, whole)), [shown, traceId, view]);
  const partitions = useMemo(() => partitionsOf(spans), [spans]);
  const rows = useMemo(() => visibleRows(flow, collapsed), [flow, collapsed]);
  const selected = selectedId
    ? flow.nodes.get(selectedId) ?? flow.nodes.get(keyOf(traceId, selectedId)) ?? null : null;

  const select = (node: Node | null) => setParams({ span: node?.isLane ? null : node ? spanParam(node, traceId) : null }, true);
  const toggle = (node: Node, open?: boolean) => {
    const next = new Set(collapsed);
    const collapse = open === undefined ? !next.has(node.id) : !open;
    if (collapse) next.add(node.id);
    else next.delete(node.id);
    setCollapsed(next);
  };
  const collapseAll = (all: boolean) => setCollapsed(all
    ? new Set([...flow.nodes.values()].filter((n) => n.children.length && n.depth > 0).map((n) => n.id)) : new Set());
  const reveal = (node: Node) => {
    const next = new Set(collapsed);
    let at: Node | undefined = node;
    const parents = parentsOf(flow);
    while ((at = parents.get(at.id))) next.delete(at.id);
    setCollapsed(next);
    select(node);
  };
  useTraceKeys({ rows, flow, selected, collapsed, select, toggle, reveal });

  return (
    <>
      <TraceHead flow={flow} traceId={traceId} again={again} />
      <div class="trace-tools">
        <Choice label="View" value={view} options={partitions.length > 1 ? VIEWS : VIEWS.slice(0, 2)}
          onChange={(v) => setParams({ view: v === 'message' ? null : v }, true)} />
        {!whole && flow.hidden > 0 && <span class="faint">{plural(flow.hidden, 'span')} of other messages in the same polls not shown</span>}
        <div class="grow" />
        {partitions.length > 1 && (
          <label class="select"><span class="faint">Partition</span>
            <select value={partition ?? ''} onChange={(e) => setParams({ partition: e.currentTarget.value || null }, true)}>
              <option value="">all</option>
              {partitions.map((p) => <option>{p}</option>)}
            </select>
          </label>
        )}
        <Button onClick={() => collapseAll(false)}>Expand all</Button>
        <Button onClick={() => collapseAll(true)}>Collapse all</Button>
      </div>
      <div class={`trace-body${selected ? ' with-details' : ''}`}>
        <Panel flush class="waterfall-panel">
          <Waterfall flow={flow} rows={rows} collapsed={collapsed} selected={selected} onSelect={select} onToggle={toggle} />
        </Panel>
        {selected && (
          <SpanDetails key={selected.id} node={selected} flow={flow} onClose={() => select(null)} onJump={reveal} />
        )}
      </div>
    </>
  );
}

const spanParam = (node: Node, traceId: string) => (node.span.traceId === traceId ? node.span.spanId : node.id);

function parentsOf(flow: Flow): Map<string, Node> {
  const map = new Map<string, Node>();
  for (const n of flow.nodes.values()) for (const c of n.children) map.set(c.id, n);
  return map;
}

/** The first span of the trace itself, whatever the view shows on top. */
function rootOf(flow: Flow, traceId: string): Node {
  const own = [...flow.nodes.values()].filter((n) => n.span.traceId === traceId);
  return (own.length ? own : [...flow.nodes.values()]).reduce((a, b) => (b.startMs < a.startMs ? b : a));
}

function TraceHead({ flow, traceId, again }: { flow: Flow; traceId: string; again: () => void }) {
  const root = rootOf(flow, traceId);
  const errors = flow.roots.reduce((n, r) => n + r.errors, 0);
  const semantics = [...new Set([...flow.nodes.values()].filter((n) => isPoll(n.span)).map(semanticsOf).filter(Boolean))];
  const startMs = Number(flow.startNs / 1000n) / 1000;
  return (
    <header class="trace-head">
      <div class="trace-title">
        <h1>{root.span.name}</h1>
        {semantics.map((s) => <span class="tag">{s}</span>)}
        {errors > 0 && <span class="badge bad">{plural(errors, 'error')}</span>}
      </div>
      <div class="trace-sub">
        <code>{traceId}</code><CopyButton text={traceId} title="Copy the trace id" />
        <span>{dayClock(startMs, true)}</span>
        <span>{millis(flow.durationMs)}</span>
        <span>{plural(flow.nodes.size, 'span')}</span>
        {flow.traces.length > 1 && <span title={flow.traces.join('\n')}>{count(flow.traces.length)} linked traces</span>}
        <span class="services">{flow.services.map((s) => <span class="service"><Dot name={s} />{s}</span>)}</span>
        <div class="grow" />
        <Button icon="refresh" title="Load again" kind="ghost" onClick={again} />
        <CopyLink />
      </div>
    </header>
  );
}

function CopyLink() {
  return <CopyButton text={location.href} title="Copy a link to this view" />;
}

interface Keys {
  rows: Node[]; flow: Flow; selected: Node | null; collapsed: ReadonlySet<string>;
  select: (n: Node | null) => void; toggle: (n: Node, open?: boolean) => void; reveal: (n: Node) => void;
}

/** Keys act on what was drawn last: quick typing must not meet the state before. */
function useTraceKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const k = latest.current;
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      const at = k.selected ? k.rows.indexOf(k.selected) : -1;
      const to = (i: number) => k.select(k.rows[Math.max(0, Math.min(k.rows.length - 1, i))] ?? null);
      const actions: Record<string, () => void> = {
        ArrowDown: () => to(at + 1), ArrowUp: () => to(at < 0 ? 0 : at - 1),
        Home: () => to(0), End: () => to(k.rows.length - 1),
        PageDown: () => to(at + 20), PageUp: () => to(at - 20),
        ArrowLeft: () => {
          if (!k.selected) return;
          if (k.selected.children.length && !k.collapsed.has(k.selected.id)) k.toggle(k.selected, false);
          else k.select(parentsOf(k.flow).get(k.selected.id) ?? k.selected);
        },
        ArrowRight: () => {
          if (k.selected && k.collapsed.has(k.selected.id)) k.toggle(k.selected, true);
          else if (k.selected?.children.length) to(at + 1);
        },
        Escape: () => { if (k.selected) k.select(null); },
        e: () => {
          const all = visibleRows(k.flow, new Set());
          const from = k.selected ? all.indexOf(k.selected) : -1;
          const next = [...all.slice(from + 1), ...all].find((n) => n.span.status === 'error');
          if (next) k.reveal(next);
        },
      };
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}
