// SPDX-License-Identifier: Apache-2.0
// What the server says of itself, from its own metrics: intake, refusals, disk, memory.

import { Panel } from '../kit/basics';
import { Spark } from '../kit/chart';
import { bytes, count, rate } from '../lib/format';
import { onGrid } from '../lib/matrix';
import { alignRange, rateWindow, stepFor } from '../lib/time';
import { promRange } from '../state/api';
import { range } from '../state/range';
import { href } from '../state/route';
import { useQuery } from '../state/use-query';

type Format = (v: number | null | undefined) => string;

const REFUSED = ['spans', 'log_records', 'metric_points'].map((what) => `otelcol_receiver_refused_${what}_total`);

function figures(windowS: number): readonly [string, string, Format][] {
  const perSecond = (name: string) => `sum(rate(${name}[${windowS}s]))`;
  return [
    ['Spans taken', perSecond('otelcol_receiver_accepted_spans_total'), rate],
    ['Log records taken', perSecond('otelcol_receiver_accepted_log_records_total'), rate],
    ['Metric points taken', perSecond('otelcol_receiver_accepted_metric_points_total'), rate],
    ['Refused', REFUSED.map(perSecond).join(' + '), rate],
    ['HTTP requests', perSecond('weir_http_requests_total'), rate],
    ['On disk', 'weir_store_disk_bytes', bytes],
    ['Write log', 'weir_store_wal_bytes', bytes],
    ['Parts', 'weir_store_parts', count],
    ['Store memory', 'weir_store_memory_bytes', bytes],
    ['Process memory', 'process_resident_memory_bytes{job="weir"}', bytes],
  ];
}

interface Figure { name: string; query: string; format: Format; values: (number | null)[] }

export function SelfFigures() {
  const answer = useQuery<Figure[]>('self', async (signal) => {
    const step = stepFor(range.value, 60);
    const grid = alignRange(range.value, step);
    const list = figures(rateWindow({ start: 0, end: 0 }, step));
    const asked = await Promise.allSettled(list.map(([, query]) => promRange(query, grid, step, signal)));
    return list.map(([name, query, format], i) => {
      const one = asked[i]!;
      const series = one.status === 'fulfilled' ? one.value.series : [];
      return { name, query, format, values: onGrid(series, grid, step).rows[0]?.values ?? [] };
    });
  });
  const known = (answer.data ?? []).filter((f) => f.values.some((v) => v !== null));
  if (!known.length) return null;
  return (
    <Panel title="Intake and memory" busy={answer.busy} flush>
      <ul class="figures">
        {known.map((f) => (
          <li>
            <a href={href('metrics', { q: f.query })}>
              <span class="muted">{f.name}</span>
              <span class="figure-value">{f.format([...f.values].reverse().find((v) => v !== null))}</span>
              <Spark values={f.values} width={150} height={28} label={`${f.name} over the range`} />
            </a>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
