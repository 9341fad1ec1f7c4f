// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';

import { Await, Choice, Panel } from '../../kit/basics';
import { Spark } from '../../kit/chart';
import { NothingYet } from '../../kit/empty';
import { buildFlow, runnerRows, type FlowInput, type FlowMap } from '../../lib/flow';
import { num, percent, rate } from '../../lib/format';
import { rateWindow } from '../../lib/time';
import { range } from '../../state/range';
import { params, setParams } from '../../state/route';
import { useQuery } from '../../state/use-query';
import { FlowMapView } from './map';
import { askAll, askTrends, flowQueries, runnerQueries, type Period, type Trend, type Trends } from './queries';
import { SemanticsTable } from './semantics';

export function OverviewPage() {
  const period: Period = params.value.get('counts') === 'range' ? 'range' : 'total';
  const flow = useQuery('flow', (signal) =>
    askAll(flowQueries(rateWindow(range.value)), range.value.end, signal));
  const runner = useQuery(`runner/${period}`, (signal) => {
    const seconds = Math.max(1, Math.round((range.value.end - range.value.start) / 1000));
    return askAll(runnerQueries(period, seconds), range.value.end, signal);
  });
  const trends = useQuery('trends', (signal) => askTrends(range.value, signal));
  const map = useMemo(() => flow.data && buildFlow(flow.data), [flow.data]);
  const empty = map && map.nodes.length === 0;

  return (
    <div class="page">
      <h1 class="visually-hidden">Overview</h1>
      {map && !empty && <Tiles input={flow.data!} map={map} trends={trends.data} />}
      <Panel title="Message flow" busy={flow.busy}
        aside={map && !empty && <span class="faint">Producers, topics, consumer groups. Rates over {rateWindow(range.value) / 60} min.</span>}>
        <Await answer={flow}>
          {() => (empty ? <NothingYet topic="kafka" /> : <FlowMapView map={map!} />)}
        </Await>
      </Panel>
      {runner.data && runnerRows(runner.data).length > 0 && (
        <Panel title="Delivery by consumer group" busy={runner.busy} flush
          aside={<Choice label="Counts" value={period} options={[['total', 'Since start'], ['range', 'In range']]}
            onChange={(v) => setParams({ counts: v === 'total' ? null : v }, true)} />}>
          <SemanticsTable input={runner.data} trends={trends.data} />
        </Panel>
      )}
    </div>
  );
}

const sumOf = (samples: { value: number }[]): number =>
  samples.reduce((s, x) => s + (Number.isFinite(x.value) ? x.value : 0), 0);

/** All series added up, point by point. */
function total(trends: Trend[] | undefined): (number | null)[] {
  const first = trends?.[0];
  if (!trends || !first) return [];
  return first.values.map((_, i) => {
    const known = trends.map((t) => t.values[i]).filter((v): v is number => v !== null && v !== undefined);
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  });
}

function Tiles({ input, map, trends }: { input: FlowInput; map: FlowMap; trends: Trends | undefined }) {
  const sent = sumOf(input.sent);
  const consumed = map.edges.filter((e) => e.kind === 'consume').reduce((s, e) => s + (e.rate ?? 0), 0);
  const errors = sumOf(input.processedErrors) + sumOf(input.sentErrors) + sumOf(input.consumedErrors);
  const lag = sumOf(input.lag);
  const lost = sumOf(input.lost);
  const tiles: [string, ComponentChildren, string, (number | null)[]][] = [
    ['Sent', rate(sent), '', total(trends?.sent)],
    ['Consumed', rate(consumed), '', total(trends?.consumed)],
    ['Errors', errors ? <>{rate(errors)}<small>{percent(errors, sent + consumed)}</small></> : rate(0), errors ? 'bad' : '', total(trends?.errors)],
    ['Lag', num(lag), '', total(trends?.lag)],
    ['Lost', num(lost), lost ? 'bad' : '', []],
  ];
  return (
    <div class="tiles">
      {tiles.map(([name, value, tone, values]) => (
        <div class={`tile ${tone}`}>
          <div class="tile-name">{name}</div>
          <div class="tile-value">{value}</div>
          {values.length > 1 && <Spark values={values} width={110} height={26} tone={tone} label={`${name} over the range`} />}
        </div>
      ))}
    </div>
  );
}
