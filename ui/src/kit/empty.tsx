// SPDX-License-Identifier: Apache-2.0
// "Nothing arrives yet: do this": the real addresses of this server and three lines to paste.

import type { ComponentChildren } from 'preact';

import { weirStatus } from '../state/api';
import { rangeText, setRange } from '../state/range';
import { useQueryOnce } from '../state/use-query';
import { describeRange } from '../lib/time';
import { doorsOf } from '../lib/status';
import { Button, Snippet } from './basics';

export type Topic = 'traces' | 'logs' | 'metrics' | 'kafka';

function snippetFor(topic: Topic, http: string): string {
  const url = `http://${http}`;
  if (topic === 'logs') {
    return `curl ${url}/v1/logs -H 'Content-Type: application/json' -d '{"resourceLogs":[{"resource":\n` +
      `  {"attributes":[{"key":"service.name","value":{"stringValue":"hello"}}]},"scopeLogs":[{"logRecords":\n` +
      `  [{"timeUnixNano":"'$(date +%s%N)'","severityText":"INFO","body":{"stringValue":"hello weir"}}]}]}]}'`;
  }
  if (topic === 'metrics' || topic === 'kafka') {
    return `export OTEL_SERVICE_NAME=my-service\nexport OTEL_EXPORTER_OTLP_ENDPOINT=${url}\n./my-kafka-program`;
  }
  return `curl ${url}/v1/traces -H 'Content-Type: application/json' -d '{"resourceSpans":[{"scopeSpans":[{"spans":\n` +
    `  [{"traceId":"'$(openssl rand -hex 16)'","spanId":"'$(openssl rand -hex 8)'","name":"hello","kind":1,\n` +
    `  "startTimeUnixNano":"'$(date +%s%N)'","endTimeUnixNano":"'$(date +%s%N)'"}]}]}]}'`;
}

const SAYS: Record<Topic, string> = {
  traces: 'Send spans over OTLP, or start a program that libweir instruments.',
  logs: 'Send log records over OTLP, or push them the way Promtail does.',
  metrics: 'Send metrics over OTLP from any OpenTelemetry SDK.',
  kafka: 'The map is drawn from messaging metrics, which libweir counts on every message.',
};

/** Nothing of this kind has ever arrived. */
export function NothingYet({ topic }: { topic: Topic }) {
  const status = useQueryOnce('status', weirStatus);
  const doors = doorsOf(status.data);
  return (
    <div class="empty">
      <h3>Nothing arrives yet</h3>
      <p>{SAYS[topic]}</p>
      <dl class="doors">
        <dt>OTLP over gRPC</dt><dd><code>{doors.grpc}</code></dd>
        <dt>OTLP over HTTP</dt><dd><code>http://{doors.http}</code></dd>
      </dl>
      <Snippet text={snippetFor(topic, doors.http)} />
      <p class="faint">Or run <code>make demo</code> in the source tree: a real Kafka and two pipelines.</p>
    </div>
  );
}

/** There is data, but none that the present question matches. */
export function NoMatch({ what, children }: { what: string; children?: ComponentChildren }) {
  const text = rangeText.value;
  return (
    <div class="empty">
      <h3>No {what} match</h3>
      <p>Range: {describeRange(text)}.{children ? ' ' : ''}{children}</p>
      <div class="row">
        {['1h', '24h', '7d'].filter((d) => text.from !== `now-${d}`).map((d) => (
          <Button onClick={() => setRange(`now-${d}`, 'now')}>Last {d}</Button>
        ))}
      </div>
    </div>
  );
}
