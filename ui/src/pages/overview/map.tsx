// SPDX-License-Identifier: Apache-2.0
// The flow map: boxes in HTML over curves in SVG. A click on a box shows its numbers and ways on.

import { useEffect, useMemo, useState } from 'preact/hooks';

import { healthOf, type FlowMap, type FlowNode } from '../../lib/flow';
import { count, num, percent, rate, seconds } from '../../lib/format';
import { buildTraceQl, promSelector, quote } from '../../lib/query';
import { Loading } from '../../kit/basics';
import { href, params, setParams } from '../../state/route';
import { useWidth } from '../traces/scatter';
import type { Layout } from './layout';

const kindOf = (n: FlowNode): string =>
  (n.kind === 'producer' ? 'Producer' : n.kind === 'topic' ? 'Topic' : `Group in ${n.service || 'unknown service'}`);

export function FlowMapView({ map }: { map: FlowMap }) {
  const shape = useMemo(
    () => [...map.nodes.map((n) => n.id), ...map.edges.map((e) => `${e.from}>${e.to}`)].sort().join('\n'), [map]);
  const [layout, setLayout] = useState<Layout | null>(null);
  useEffect(() => {
    let gone = false;
    import('./layout').then(({ layoutFlow }) => { if (!gone) setLayout(layoutFlow(map)); });
    return () => { gone = true; };
  }, [shape]);
  const [ref, room] = useWidth<HTMLDivElement>();
  const selected = params.value.get('node');
  const select = (id: string) => setParams({ node: id === selected ? null : id }, true);
  if (!layout) return <Loading />;
  const nodes = new Map(map.nodes.map((n) => [n.id, n]));
  const edges = new Map(map.edges.map((e) => [`${e.from}>${e.to}`, e]));
  const near = (from: string, to: string) => !selected || from === selected || to === selected;
  return (
    <div class="flow-scroll" ref={ref}>
      <div class="flow" style={{ zoom: String(zoomFor(layout.width, room)), width: `${layout.width}px`, height: `${layout.height}px` }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">
              <path d="M0 0.8L7 4L0 7.2z" class="arrow" />
            </marker>
          </defs>
          {layout.routes.map(({ edge: { from, to }, path, labelX, labelY }) => {
            const edge = edges.get(`${from}>${to}`);
            if (!edge) return null;
            return (
              <g class={`edge ${healthOf(edge)}${near(from, to) ? '' : ' dim'}`}>
                <path d={path} style={{ strokeWidth: `${widthOf(edge.rate)}px` }} />
                <path d={path} class={edge.rate ? 'stream' : 'still'} marker-end="url(#arrow)" />
                <text x={labelX} y={labelY - 6}>{rate(edge.rate)}</text>
                {edge.p95 !== null && <text x={labelX} y={labelY + 13} class="soft">p95 {seconds(edge.p95)}</text>}
              </g>
            );
          })}
        </svg>
        {layout.nodes.map((p) => {
          const node = nodes.get(p.node.id);
          return node && (
            <button type="button" key={node.id} aria-pressed={node.id === selected} onClick={() => select(node.id)}
              class={`flow-node ${node.kind} ${healthOf(node)}`}
              style={{ left: `${p.x}px`, top: `${p.y}px`, width: `${p.width}px`, height: `${p.height}px` }}>
              <span class="flow-kind" title={kindOf(node)}>{kindOf(node)}</span>
              <span class="flow-title" title={node.title}>{node.title}</span>
              <NodeNumbers node={node} />
            </button>
          );
        })}
      </div>
      {selected && nodes.get(selected) && <Details node={nodes.get(selected)!} />}
    </div>
  );
}

/** A map a little too wide is drawn smaller; a far wider one scrolls. */
const zoomFor = (width: number, room: number): number => (room ? Math.min(1, Math.max(0.72, room / width)) : 1);

const widthOf = (r: number | null): number => 1.25 + Math.min(3, Math.log10(1 + (r ?? 0)));

function NodeNumbers({ node }: { node: FlowNode }) {
  return (
    <span class="flow-numbers">
      <span>{rate(node.rate)}</span>
      {node.errors ? <span class={healthOf(node) === 'warn' ? 'warn-text' : 'bad-text'}>{percent(node.errors, node.rate ?? 0)} errors</span> : null}
      {node.kind === 'group' && <span>lag {num(node.lag)}</span>}
      {node.lost ? <span class="bad-text">lost {count(node.lost)}</span> : null}
    </span>
  );
}

function Details({ node }: { node: FlowNode }) {
  const facts: [string, string][] = [
    ['Rate', rate(node.rate)], ['Errors', rate(node.errors)],
    ...(node.kind === 'topic' ? [] : [['p95', seconds(node.p95)] as [string, string]]),
    ...(node.kind === 'producer' ? [] : [['Lag', count(node.lag)] as [string, string]]),
    ...(node.kind === 'group' ? [['Lost', count(node.lost)] as [string, string]] : []),
  ];
  return (
    <div class="flow-details" role="region" aria-label={`Details of ${node.title}`}>
      <strong>{node.title}</strong>
      <dl class="facts">{facts.map(([k, v]) => <div><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
      <nav class="row">{linksOf(node).map(([text, to]) => <a class="button plain" href={to}>{text}</a>)}</nav>
    </div>
  );
}

function linksOf(node: FlowNode): [string, string][] {
  const metric = node.kind === 'producer' ? 'messaging_client_sent_messages_total'
    : node.kind === 'topic' ? 'messaging_client_sent_messages_total' : 'messaging_process_duration_seconds_count';
  const selector = promSelector(metric, {
    service_name: node.service, messaging_destination_name: node.topic, messaging_consumer_group_name: node.group,
  });
  const metrics: [string, string] = ['Metrics', href('metrics', { q: `sum by (messaging_destination_name) (rate(${selector}[2m]))`, node: null })];
  const q = node.topic
    ? `{ span.messaging.destination.name = ${quote(node.topic)} }`
    : buildTraceQl({ service: node.service });
  const out: [string, string][] = [['Traces', href('traces', { q, node: null })], metrics];
  if (node.service) out.push(['Logs', href('logs', { q: `{service_name=${quote(node.service)}}`, node: null })]);
  if (node.group) out.push(['Partitions', href('groups', { filter: node.group, node: null })]);
  return out;
}
