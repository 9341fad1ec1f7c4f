// SPDX-License-Identifier: Apache-2.0
// The Kafka flow map, from metrics on all messages: producers → topics → consumer groups.

export interface Sample { metric: Record<string, string>; value: number }

/** Instant vectors, each summed by service, destination and (where there is one) consumer group. */
export interface FlowInput {
  sent: Sample[]; sentErrors: Sample[]; sendP95: Sample[];
  consumed: Sample[]; consumedErrors: Sample[];
  processed: Sample[]; processedErrors: Sample[]; processP95: Sample[];
  lag: Sample[]; lost: Sample[]; runner: Sample[];
}

export interface Stats {
  rate: number | null; errors: number | null; p95: number | null; lag: number | null; lost: number | null;
}

export interface FlowNode extends Stats {
  id: string;
  kind: 'producer' | 'topic' | 'group';
  title: string;
  subtitle: string;
  service?: string;
  topic?: string;
  group?: string;
}

export interface FlowEdge extends Stats { from: string; to: string; kind: 'send' | 'consume'; topic: string }

export interface FlowMap { nodes: FlowNode[]; edges: FlowEdge[] }

const SERVICE = 'service_name';
const TOPIC = 'messaging_destination_name';
const GROUP = 'messaging_consumer_group_name';

const noStats = (): Stats => ({ rate: null, errors: null, p95: null, lag: null, lost: null });
const plus = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : a + b;
const most = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);

/** Adds up what flows; of latencies the worst counts. */
export function mergeStats(into: Stats, from: Stats): void {
  into.rate = plus(into.rate, from.rate);
  into.errors = plus(into.errors, from.errors);
  into.p95 = most(into.p95, from.p95);
  into.lag = plus(into.lag, from.lag);
  into.lost = plus(into.lost, from.lost);
}

class Builder {
  readonly nodes = new Map<string, FlowNode>();
  readonly edges = new Map<string, FlowEdge>();

  node(kind: FlowNode['kind'], id: string, title: string, extra: Partial<FlowNode>): FlowNode {
    let node = this.nodes.get(id);
    if (!node) {
      node = { id, kind, title, subtitle: '', ...noStats(), ...extra };
      this.nodes.set(id, node);
    }
    return node;
  }

  edge(kind: FlowEdge['kind'], from: string, to: string, topic: string): FlowEdge {
    const id = `${from}→${to}`;
    let edge = this.edges.get(id);
    if (!edge) {
      edge = { from, to, kind, topic, ...noStats() };
      this.edges.set(id, edge);
    }
    return edge;
  }
}

const finite = (v: number): number | null => (Number.isNaN(v) ? null : v);

/** Builds the map. A service that consumes in one group sends from that group's node; a service with
 *  several groups (or none) sends from a node of its own. Dead-letter topics are topics like others. */
export function buildFlow(input: FlowInput): FlowMap {
  const b = new Builder();
  const groupsOf = new Map<string, Set<string>>();
  const consumerKey = (m: Record<string, string>) => `group:${m[GROUP]}@${m[SERVICE] ?? ''}`;

  const consumer = (m: Record<string, string>): FlowEdge | null => {
    if (!m[TOPIC] || !m[GROUP]) return null;
    const id = consumerKey(m);
    b.node('topic', `topic:${m[TOPIC]}`, m[TOPIC]!, { topic: m[TOPIC] });
    b.node('group', id, m[GROUP]!, { subtitle: m[SERVICE] ?? '', service: m[SERVICE], group: m[GROUP] });
    const service = m[SERVICE] ?? '';
    groupsOf.set(service, (groupsOf.get(service) ?? new Set()).add(id));
    return b.edge('consume', `topic:${m[TOPIC]}`, id, m[TOPIC]!);
  };
  const add = (samples: Sample[], field: keyof Stats, find: (m: Record<string, string>) => FlowEdge | null,
               join = plus) => {
    for (const s of samples) {
      const value = finite(s.value);
      const edge = value === null ? null : find(s.metric);
      if (edge) edge[field] = join(edge[field], value);
    }
  };

  const processedEdges = new Set<FlowEdge>();
  add(input.consumed, 'rate', consumer);
  for (const s of input.runner) {
    const edge = consumer(s.metric);
    if (edge && edge.rate === null) processedEdges.add(edge);
  }
  for (const s of input.processed) {
    const edge = consumer(s.metric);
    if (edge && (edge.rate === null || processedEdges.has(edge))) {
      processedEdges.add(edge);
      edge.rate = plus(edge.rate, finite(s.value));
    }
  }
  add(input.consumedErrors, 'errors', consumer);
  add(input.processedErrors, 'errors', consumer);
  add(input.processP95, 'p95', consumer, most);
  add(input.lag, 'lag', consumer);
  add(input.lost, 'lost', consumer);

  const producer = (m: Record<string, string>): FlowEdge | null => {
    const service = m[SERVICE] ?? 'unknown';
    if (!m[TOPIC]) return null;
    const own = groupsOf.get(service);
    const id = own && own.size === 1 ? [...own][0]! : `producer:${service}`;
    if (id.startsWith('producer:')) b.node('producer', id, service, { service, subtitle: 'producer' });
    b.node('topic', `topic:${m[TOPIC]}`, m[TOPIC]!, { topic: m[TOPIC] });
    return b.edge('send', id, `topic:${m[TOPIC]}`, m[TOPIC]!);
  };
  add(input.sent, 'rate', producer);
  add(input.sentErrors, 'errors', producer);
  add(input.sendP95, 'p95', producer, most);

  for (const edge of b.edges.values()) {
    if (edge.kind === 'send') {
      const from = b.nodes.get(edge.from)!;
      if (from.kind === 'producer') mergeStats(from, edge);
      mergeStats(b.nodes.get(edge.to)!, { ...edge, p95: null, lag: null, lost: null });
    } else {
      mergeStats(b.nodes.get(edge.to)!, edge);
      b.nodes.get(edge.from)!.lag = plus(b.nodes.get(edge.from)!.lag, edge.lag);
    }
  }
  return { nodes: [...b.nodes.values()], edges: [...b.edges.values()] };
}

/** Health of a node or an edge, for its colour: errors above 1 % of the rate or any loss is bad. */
export function healthOf(s: Stats): 'ok' | 'warn' | 'bad' | 'idle' {
  if ((s.lost ?? 0) > 0) return 'bad';
  if (s.errors && s.errors > 0) return s.errors > 0.01 * (s.rate || 1e-9) ? 'bad' : 'warn';
  return s.rate ? 'ok' : 'idle';
}

// ---- the semantics table -------------------------------------------------------------------------

export interface RunnerRow {
  key: string;
  service: string; group: string; topic: string; semantics: string;
  received: number | null; committed: number | null;
  ok: number | null; failed: number | null; deadLettered: number | null; skipped: number | null;
  lostMin: number | null; lostMax: number | null; duplicates: number | null; inFlight: number | null;
  lag: number | null;
}

export interface RunnerInput {
  received: Sample[]; committed: Sample[]; processed: Sample[]; lost: Sample[];
  duplicates: Sample[]; inFlight: Sample[]; lag: Sample[];
}

/** One row per service, group and topic that the runner counts. */
export function runnerRows(input: RunnerInput): RunnerRow[] {
  const rows = new Map<string, RunnerRow>();
  const row = (m: Record<string, string>): RunnerRow => {
    const key = [m[SERVICE], m[GROUP], m[TOPIC]].join('\n');
    let r = rows.get(key);
    if (!r) {
      r = {
        key, service: m[SERVICE] ?? '', group: m[GROUP] ?? '', topic: m[TOPIC] ?? '', semantics: '',
        received: null, committed: null, ok: null, failed: null, deadLettered: null, skipped: null,
        lostMin: null, lostMax: null, duplicates: null, inFlight: null, lag: null,
      };
      rows.set(key, r);
    }
    r.semantics ||= m.weir_runner_semantics ?? m.semantics ?? '';
    return r;
  };
  const outcomes: Record<string, 'ok' | 'failed' | 'deadLettered' | 'skipped'> = {
    ok: 'ok', failed: 'failed', dead_lettered: 'deadLettered', skipped: 'skipped',
  };
  const add = (samples: Sample[], field: 'received' | 'committed' | 'duplicates' | 'inFlight') => {
    for (const s of samples) row(s.metric)[field] = plus(row(s.metric)[field], s.value);
  };
  add(input.received, 'received');
  add(input.committed, 'committed');
  for (const s of input.processed) {
    const field = outcomes[s.metric.outcome ?? ''];
    if (field) row(s.metric)[field] = plus(row(s.metric)[field], s.value);
  }
  for (const s of input.lost) {
    const field = s.metric.bound === 'max' ? 'lostMax' : 'lostMin';
    row(s.metric)[field] = plus(row(s.metric)[field], s.value);
  }
  add(input.duplicates, 'duplicates');
  add(input.inFlight, 'inFlight');
  for (const s of input.lag) {
    for (const r of rows.values()) {
      if (r.group === s.metric[GROUP] && r.topic === s.metric[TOPIC]) r.lag = s.value;
    }
  }
  return [...rows.values()].sort((a, b) => a.group.localeCompare(b.group) || a.topic.localeCompare(b.topic));
}
