// SPDX-License-Identifier: Apache-2.0
// From the spans of a connected flow to the rows of one waterfall.
//
// A Kafka message's story is spread over traces that only links connect: its own (send, process), the
// poll that fetched it, the commits. The joined view hangs each of them where it belongs in time:
//
//     send ─┐ own trace                       send
//     poll ─┼ links to send          ──▶       └ poll            (hung by its link)
//     commit┘ child of poll                       ├ commit
//     process: child of send, links to poll       └ process      (order by start: the semantics shows)

import type { Span } from './otlp';

export type Relation = 'root' | 'child' | 'link';

export interface Node {
  id: string;               // traceId/spanId
  span: Span;
  relation: Relation;       // how it hangs under its parent in this view
  orphan: boolean;          // names a parent that is not here
  children: Node[];
  depth: number;
  startMs: number;          // from the start of the view
  durationMs: number;
  size: number;             // spans below and including this one
  errors: number;           // of them with status error
  isLane: boolean;          // no span: a partition that stands for its children
}

export interface Flow {
  roots: Node[];
  nodes: Map<string, Node>;
  startNs: bigint;
  durationMs: number;
  services: string[];
  traces: string[];
  hidden: number;           // spans of other messages that the focus leaves out
}

export const keyOf = (traceId: string, spanId: string): string => `${traceId}/${spanId}`;
export const spanKey = (s: Span): string => keyOf(s.traceId, s.spanId);

const operation = (s: Span): string =>
  String(s.attributes['messaging.operation.type'] ?? s.attributes['messaging.operation'] ?? '');
export const isPoll = (s: Span): boolean => operation(s) === 'receive' || /^poll\b/.test(s.name);
export const isProcess = (s: Span): boolean => operation(s) === 'process' || /^process\b/.test(s.name);
export const isCommit = (s: Span): boolean => operation(s) === 'settle' || /^commit\b/.test(s.name);

class Index {
  readonly byKey = new Map<string, Span>();
  readonly childrenOf = new Map<string, Span[]>();
  readonly linkersOf = new Map<string, Span[]>();
  constructor(spans: Span[]) {
    for (const s of spans) this.byKey.set(spanKey(s), s);
    for (const s of spans) {
      if (s.parentId) push(this.childrenOf, keyOf(s.traceId, s.parentId), s);
      for (const l of s.links) push(this.linkersOf, keyOf(l.traceId, l.spanId), s);
    }
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** The spans that tell the story of trace `traceId`: its own, and what is linked to them, without the
 *  other messages that happened to share a poll or a commit. */
export function focusOn(spans: Span[], traceId: string): Span[] {
  const index = new Index(spans);
  const kept = new Set<Span>(spans.filter((s) => s.traceId === traceId));
  const queue = [...kept];
  const take = (s: Span | undefined) => {
    if (s && !kept.has(s)) {
      kept.add(s);
      queue.push(s);
    }
  };
  const isForeign = (s: Span) => isProcess(s) && s.traceId !== traceId &&
    s.links.some((l) => index.byKey.has(keyOf(l.traceId, l.spanId))) &&
    !s.links.some((l) => kept.has(index.byKey.get(keyOf(l.traceId, l.spanId))!));
  for (let s = queue.pop(); s; s = queue.pop()) {
    const own = s.traceId === traceId;
    take(index.byKey.get(keyOf(s.traceId, s.parentId)));
    for (const c of index.childrenOf.get(spanKey(s)) ?? []) if (!isForeign(c)) take(c);
    for (const l of index.linkersOf.get(spanKey(s)) ?? []) {
      const processOfOther = isPoll(s) && isProcess(l) && l.traceId !== traceId && isForeignTo(l, kept, index);
      if (!processOfOther) take(l);
    }
    const fansOut = (isPoll(s) || isCommit(s)) && !own;
    if (!fansOut) for (const l of s.links) take(index.byKey.get(keyOf(l.traceId, l.spanId)));
  }
  return spans.filter((s) => kept.has(s));
}

/** A process span that hangs off a poll of ours but belongs to a message of another trace. */
function isForeignTo(s: Span, kept: Set<Span>, index: Index): boolean {
  const parent = index.byKey.get(keyOf(s.traceId, s.parentId));
  return !(parent && kept.has(parent));
}

interface Place { key: string; relation: 'child' | 'link' }

/** Where a span hangs in the joined view: its poll, its real parent, or what it links to. */
function hangUnder(s: Span, index: Index, focus: string): Place | null {
  const linked = s.links.map((l) => index.byKey.get(keyOf(l.traceId, l.spanId)))
    .filter((t): t is Span => t !== undefined && t !== s);
  const real = s.parentId ? index.byKey.get(keyOf(s.traceId, s.parentId)) : undefined;
  if (isProcess(s) && !(real && isPoll(real))) {
    const poll = linked.find(isPoll);
    if (poll) return { key: spanKey(poll), relation: 'link' };
  }
  if (real) return { key: spanKey(real), relation: 'child' };
  const target = linked.find((t) => t.traceId === focus) ??
    linked.sort((a, b) => (a.startNs < b.startNs ? -1 : 1))[0];
  return target ? { key: spanKey(target), relation: 'link' } : null;
}

/** One forest of all given spans; children by start time, roots too, the focused trace's root first. */
export function joinFlow(all: Span[], focus: string, wholeFlow: boolean): Flow {
  const spans = wholeFlow ? all : focusOn(all, focus);
  const index = new Index(spans);
  const startNs = spans.reduce((min, s) => (s.startNs < min ? s.startNs : min), spans[0]?.startNs ?? 0n);
  const nodes = new Map<string, Node>();
  for (const s of spans) nodes.set(spanKey(s), nodeOf(s, startNs));

  const places = new Map<string, Place>();
  for (const node of nodes.values()) {
    const place = hangUnder(node.span, index, focus);
    if (place) places.set(node.id, place);
    node.orphan = node.span.parentId !== '' && !place;
  }
  cutCircles(places);
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const place = places.get(node.id);
    node.relation = place?.relation ?? 'root';
    (place ? nodes.get(place.key)!.children : roots).push(node);
  }
  roots.sort(byStart);
  for (const r of roots) finish(r);
  const endMs = Math.max(0, ...Array.from(nodes.values(), (n) => n.startMs + n.durationMs));
  return {
    roots, nodes, startNs, durationMs: endMs,
    services: [...new Set(spans.map((s) => s.service))].sort(),
    traces: [...new Set(spans.map((s) => s.traceId))],
    hidden: all.length - spans.length,
  };
}

function nodeOf(span: Span, startNs: bigint): Node {
  return {
    id: spanKey(span), span, relation: 'root', orphan: false, children: [], depth: 0,
    startMs: Number(span.startNs - startNs) / 1e6,
    durationMs: Number(span.endNs - span.startNs) / 1e6,
    size: 1, errors: 0, isLane: false,
  };
}

const byStart = (a: Node, b: Node): number =>
  a.startMs - b.startMs || b.durationMs - a.durationMs || (a.id < b.id ? -1 : 1);

/** Links and lying peers can make circles; each loses one place, a link's before a real parent's.
 *  Linear: every span is walked over once. */
function cutCircles(places: Map<string, Place>): void {
  const walkOf = new Map<string, number>();
  let walk = 0;
  for (const start of [...places.keys()]) {
    walk++;
    let at: string | undefined = start;
    while (at !== undefined && !walkOf.has(at)) {
      walkOf.set(at, walk);
      at = places.get(at)?.key;
    }
    if (at === undefined || walkOf.get(at) !== walk) continue;
    const circle: string[] = [];
    for (let id = at; circle.length === 0 || id !== at; id = places.get(id)!.key) circle.push(id);
    places.delete(circle.find((id) => places.get(id)!.relation === 'link') ?? at);
  }
}

/** Sorts children and sums up, without recursion: a chain may be thousands deep. */
function finish(root: Node): void {
  const order: Node[] = [root];
  for (let i = 0; i < order.length; i++) {
    const node = order[i]!;
    node.children.sort(byStart);
    for (const c of node.children) {
      c.depth = node.depth + 1;
      order.push(c);
    }
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!;
    node.errors = node.span.status === 'error' ? 1 : 0;
    node.size = node.isLane ? 0 : 1;
    for (const c of node.children) {
      node.size += c.size;
      node.errors += c.errors;
    }
  }
}

const partitionAttribute = (s: Span): string | null => {
  const partition = s.attributes['messaging.destination.partition.id'];
  return partition === undefined ? null : `${String(s.attributes['messaging.destination.name'] ?? '')} / ${String(partition)}`;
};

/** The partitions that spans name: "orders / 3". */
export function partitionsOf(spans: Span[]): string[] {
  const found = new Set(spans.map(partitionAttribute).filter((p): p is string => p !== null));
  return [...found].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
}

/** Spans of one partition, and those that name none (polls, SQL): they belong to all. */
export function onPartition(spans: Span[], partition: string): Span[] {
  return spans.filter((s) => [null, partition].includes(partitionAttribute(s)));
}

/** The same flow as one lane per partition: its process spans in order, so that overlap shows. */
export function laneFlow(all: Span[], focus: string): Flow {
  const flow = joinFlow(all, focus, true);
  const lanes = new Map<string, Node[]>();
  for (const node of flow.nodes.values()) {
    const lane = isProcess(node.span) ? partitionAttribute(node.span) : null;
    if (lane) push(lanes, lane, node);
  }
  const roots = [...lanes].map(([name, members]) => laneOf(name, members, flow.startNs));
  roots.sort((a, b) => a.span.name.localeCompare(b.span.name, undefined, { numeric: true }));
  for (const r of roots) finish(r);
  return { ...flow, roots };
}

function laneOf(name: string, members: Node[], startNs: bigint): Node {
  const first = members[0]!.span;
  const least = (a: bigint, b: bigint) => (a < b ? a : b);
  const lane = nodeOf({
    ...first, spanId: `lane ${name}`, parentId: '', name, kind: 'unspecified', status: 'unset', statusMessage: '',
    startNs: members.reduce((min, n) => least(min, n.span.startNs), first.startNs),
    endNs: members.reduce((max, n) => (n.span.endNs > max ? n.span.endNs : max), first.endNs),
    attributes: {}, events: [], links: [],
  }, startNs);
  lane.isLane = true;
  lane.children = members;
  for (const m of members) m.relation = 'child';
  return lane;
}

/** The rows to draw, top to bottom, without what hangs below a collapsed node. */
export function visibleRows(flow: Flow, collapsed: ReadonlySet<string>): Node[] {
  const rows: Node[] = [];
  const stack = [...flow.roots].reverse();
  for (let node = stack.pop(); node; node = stack.pop()) {
    rows.push(node);
    if (!collapsed.has(node.id)) {
      for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i]!);
    }
  }
  return rows;
}

/** Spans that a span is linked with, in either direction, as far as they are in the view. */
export function linkedWith(flow: Flow, node: Node): Node[] {
  const out = new Set<Node>();
  for (const l of node.span.links) {
    const n = flow.nodes.get(keyOf(l.traceId, l.spanId));
    if (n) out.add(n);
  }
  for (const n of flow.nodes.values()) {
    if (n.span.links.some((l) => keyOf(l.traceId, l.spanId) === node.id)) out.add(n);
  }
  return [...out];
}

/** "at-most-once", "at-least-once" or null, from the order of commit and process below a poll. */
export function semanticsOf(poll: Node): 'at-most-once' | 'at-least-once' | null {
  const commit = poll.children.find((c) => isCommit(c.span));
  const process = poll.children.find((c) => isProcess(c.span));
  if (!commit || !process) return null;
  return commit.startMs + commit.durationMs <= process.startMs ? 'at-most-once' : 'at-least-once';
}
