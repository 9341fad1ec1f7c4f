// SPDX-License-Identifier: Apache-2.0
// Everything about one span, and the ways on: its logs, its metrics, what it is linked with.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import { Button, CopyButton, Dot, ErrorNote, Loading } from '../../kit/basics';
import { clock, dayClock, millis, plural } from '../../lib/format';
import { rowsOf, type LogRow } from '../../lib/logs';
import type { Attributes, Span, SpanLink, Value } from '../../lib/otlp';
import { promSelector, quote } from '../../lib/query';
import { isProcess, keyOf, linkedWith, type Flow, type Node } from '../../lib/trace';
import { lokiRange } from '../../state/api';
import { href } from '../../state/route';
import { useQueryOnce } from '../../state/use-query';

/** The log lines of exactly this span. */
export function spanLogQuery(span: Span): string {
  return `{service_name=${quote(span.service)}} | trace_id = ${quote(span.traceId)} | span_id = ${quote(span.spanId)}`;
}

/** The 95th percentile of the span's operation, from metrics on every message where there are some. */
export function spanMetricQuery(span: Span): string {
  const text = (key: string) => (span.attributes[key] === undefined ? undefined : String(span.attributes[key]));
  const destination = text('messaging.destination.name');
  const p95 = (bucket: string) => `histogram_quantile(0.95, sum by (le) (rate(${bucket}[2m])))`;
  if (destination && isProcess(span)) {
    return p95(promSelector('messaging_process_duration_seconds_bucket', {
      service_name: span.service, messaging_destination_name: destination,
      messaging_consumer_group_name: text('messaging.consumer.group.name'),
    }));
  }
  if (destination && text('messaging.operation.name')) {
    return p95(promSelector('messaging_client_operation_duration_seconds_bucket', {
      service_name: span.service, messaging_destination_name: destination,
      messaging_operation_name: text('messaging.operation.name'),
    }));
  }
  return p95(promSelector('traces_spanmetrics_latency_bucket', { service: span.service, span_name: span.name }));
}

/** A range with some room around the span, so that batched log records are in it. */
function rangeAround(span: Span): { from: string; to: string } {
  const start = Number(span.startNs / 1000000n);
  const end = Number(span.endNs / 1000000n);
  return { from: String(start - 60e3), to: String(end + 60e3) };
}

export function SpanDetails({ node, flow, onClose, onJump }: {
  node: Node; flow: Flow; onClose: () => void; onJump: (n: Node) => void;
}) {
  const { span } = node;
  const around = rangeAround(span);
  const back = linkedWith(flow, node).filter((n) => !span.links.some((l) => keyOf(l.traceId, l.spanId) === n.id));
  return (
    <aside class="panel details" aria-label={`Span ${span.name}`}>
      <header class="panel-head">
        <h2><Dot name={span.service} />{span.name}</h2>
        <div class="panel-aside"><Button kind="ghost" icon="close" title="Close (Esc)" onClick={onClose} /></div>
      </header>
      <div class="details-body">
        <dl class="facts">
          <div><dt>Service</dt><dd>{span.service}</dd></div>
          <div><dt>Kind</dt><dd>{span.kind}</dd></div>
          <div><dt>Status</dt><dd class={span.status === 'error' ? 'bad-text' : ''}>{span.status}</dd></div>
          <div><dt>Duration</dt><dd>{millis(node.durationMs)}</dd></div>
          <div><dt>Start</dt><dd title={dayClock(Number(span.startNs / 1000000n), true)}>+{millis(node.startMs)}</dd></div>
        </dl>
        {span.statusMessage && <p class="note error slim">{span.statusMessage}</p>}
        <nav class="row">
          <a class="button plain" href={href('logs', { q: spanLogQuery(span), ...around })}>Logs for this span</a>
          <a class="button plain" href={href('metrics', { q: spanMetricQuery(span) })}>Metrics of this operation</a>
        </nav>
        <SpanLogs span={span} />
        {span.events.length > 0 && (
          <Section title={plural(span.events.length, 'event')}>
            {span.events.map((e) => (
              <div class={`event${e.name === 'exception' ? ' error' : ''}`}>
                <div class="event-head"><strong>{e.name}</strong><span class="faint">+{millis(Number(e.ns - span.startNs) / 1e6)}</span></div>
                <AttributeTable attributes={e.attributes} />
              </div>
            ))}
          </Section>
        )}
        <Section title="Attributes"><AttributeTable attributes={span.attributes} /></Section>
        {(span.links.length > 0 || back.length > 0) && (
          <Section title={plural(span.links.length + back.length, 'link')}>
            <ul class="links">
              {span.links.map((l) => <LinkRow link={l} target={flow.nodes.get(keyOf(l.traceId, l.spanId))} onJump={onJump} />)}
              {back.map((n) => (
                <li><button type="button" class="link" onClick={() => onJump(n)}>{n.span.name}</button> <span class="faint">{n.span.service} links here</span></li>
              ))}
            </ul>
          </Section>
        )}
        <Section title="Resource" open={false}><AttributeTable attributes={span.resource} /></Section>
        <Section title="Identity" open={false}>
          <AttributeTable attributes={{
            trace_id: span.traceId, span_id: span.spanId, parent_span_id: span.parentId || '(root)', scope: span.scope,
            start: dayClock(Number(span.startNs / 1000000n), true), start_unix_ns: String(span.startNs),
          }} />
        </Section>
      </div>
    </aside>
  );
}

function Section({ title, open = true, children }: { title: string; open?: boolean; children: ComponentChildren }) {
  return <details class="section" open={open}><summary>{title}</summary>{children}</details>;
}

function LinkRow({ link, target, onJump }: { link: SpanLink; target: Node | undefined; onJump: (n: Node) => void }) {
  return (
    <li>
      {target
        ? <><button type="button" class="link" onClick={() => onJump(target)}>{target.span.name}</button> <span class="faint">{target.span.service}</span></>
        : <a href={href(`trace/${link.traceId}`, { span: link.spanId })}>Trace <code>{link.traceId.slice(0, 16)}…</code></a>}
      {Object.keys(link.attributes).length > 0 && <AttributeTable attributes={link.attributes} />}
    </li>
  );
}

const show = (v: Value): string => (typeof v === 'string' ? v : JSON.stringify(v));

export function AttributeTable({ attributes }: { attributes: Attributes }) {
  const entries = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  if (!entries.length) return <p class="faint">None</p>;
  return (
    <table class="kv">
      <tbody>
        {entries.map(([k, v]) => (
          <tr>
            <th scope="row">{k}</th>
            <td class={typeof v === 'string' ? '' : 'literal'}>
              {show(v).includes('\n') ? <pre>{show(v)}</pre> : show(v)}
              <CopyButton text={show(v)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const SHOWN = 5;

function SpanLogs({ span }: { span: Span }) {
  const [all, setAll] = useState(false);
  const logs = useQueryOnce<LogRow[]>(`span-logs/${span.traceId}/${span.spanId}`, async (signal) => {
    const { from, to } = rangeAround(span);
    const answer = await lokiRange(spanLogQuery(span), { start: Number(from), end: Number(to) }, { limit: 100, direction: 'forward' }, signal);
    return answer.kind === 'streams' ? rowsOf(answer.streams, true) : [];
  });
  const rows = logs.data ?? [];
  return (
    <Section title={logs.data ? plural(rows.length, 'log line') : 'Log lines'}>
      {logs.error && <ErrorNote error={logs.error} retry={logs.again} />}
      {logs.loading && !logs.data && <Loading show={logs.busy} />}
      {logs.data && rows.length === 0 && <p class="faint">No log line carries this span's id.</p>}
      <ol class="mini-logs">
        {rows.slice(0, all ? undefined : SHOWN).map((r) => (
          <li class={`level-${r.level}`}><time>{clock(r.ms, true)}</time><span>{r.line}</span></li>
        ))}
      </ol>
      {rows.length > SHOWN && !all && <Button onClick={() => setAll(true)}>Show all</Button>}
    </Section>
  );
}
