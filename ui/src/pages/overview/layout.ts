// SPDX-License-Identifier: Apache-2.0
// Positions for the flow map: left to right, by dagre.

import dagre from '@dagrejs/dagre';

import type { FlowEdge, FlowMap, FlowNode } from '../../lib/flow';

const HEIGHT = { producer: 66, topic: 52, group: 84 } as const;
const LEAST = { producer: 170, topic: 150, group: 200 } as const;
const MOST = 290;

/** Wide enough for its name, about 8.2 pixels a letter, within reason. */
function sizeOf(n: FlowNode): { width: number; height: number } {
  const letters = Math.max(n.title.length * 8.2, n.kind === 'group' ? (n.subtitle.length + 9) * 6.3 : 0);
  return { width: Math.min(MOST, Math.max(LEAST[n.kind], Math.ceil(letters) + 34)), height: HEIGHT[n.kind] };
}

export interface Placed { node: FlowNode; x: number; y: number; width: number; height: number }
export interface Route { edge: FlowEdge; path: string; labelX: number; labelY: number }
export interface Layout { width: number; height: number; nodes: Placed[]; routes: Route[] }

/** Depends on nodes and edges only, not on their numbers. */
export function layoutFlow(map: FlowMap): Layout {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 24, ranksep: 96, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  const sorted = [...map.nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const n of sorted) graph.setNode(n.id, sizeOf(n));
  for (const e of map.edges) graph.setEdge(e.from, e.to);
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    width, height,
    nodes: sorted.map((node) => {
      const p = graph.node(node.id) as { x: number; y: number; width: number; height: number };
      return { node, x: p.x - p.width / 2, y: p.y - p.height / 2, width: p.width, height: p.height };
    }),
    routes: map.edges.map((edge) => routeOf(edge, graph)),
  };
}

interface Box { x: number; y: number; width: number }

/** A smooth curve from the right side of one box to the left side of the other. */
function routeOf(edge: FlowEdge, graph: { node: (id: string) => unknown }): Route {
  const a = graph.node(edge.from) as Box;
  const b = graph.node(edge.to) as Box;
  const back = b.x < a.x;
  const x1 = a.x + a.width / 2;
  const x2 = b.x - b.width / 2 - 5;
  const bend = back ? 90 : Math.max(30, (x2 - x1) / 2);
  return {
    edge,
    path: `M${x1} ${a.y} C${x1 + bend} ${a.y} ${x2 - bend} ${b.y} ${x2} ${b.y}`,
    labelX: (x1 + x2) / 2, labelY: (a.y + b.y) / 2,
  };
}
