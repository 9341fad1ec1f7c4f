// SPDX-License-Identifier: Apache-2.0
// Log lines; a click opens one into its fields.

import { useState } from 'preact/hooks';

import { Button, CopyButton } from '../../kit/basics';
import { clock, dayClock } from '../../lib/format';
import { fieldsOf, spanIdOf, traceIdOf, type Field, type LogRow } from '../../lib/logs';
import { href } from '../../state/route';

type OnFilter = (name: string, op: '=' | '!=', value: string, isLabel: boolean) => void;

const LINE_MAX = 2000;

export function LogList({ rows, onFilter }: { rows: LogRow[]; onFilter: OnFilter }) {
  const [open, setOpen] = useState<string | null>(null);
  const manyServices = new Set(rows.map((r) => r.labels.service_name)).size > 1;
  return (
    <ol class="logs" aria-label="Log lines">
      {rows.map((r) => {
        const id = r.ns + r.line;
        return (
          <Line key={r.key} row={r} service={manyServices} open={id === open} onFilter={onFilter}
            onToggle={() => setOpen(id === open ? null : id)} />
        );
      })}
    </ol>
  );
}

function Line({ row, service, open, onToggle, onFilter }: {
  row: LogRow; service: boolean; open: boolean; onToggle: () => void; onFilter: OnFilter;
}) {
  const traceId = traceIdOf(row);
  const text = row.line.length > LINE_MAX ? `${row.line.slice(0, LINE_MAX)}…` : row.line;
  return (
    <li class={`log level-${row.level}${open ? ' open' : ''}`}>
      <div class="log-line">
        <button type="button" class="log-main" aria-expanded={open} onClick={onToggle}>
          <time title={dayClock(row.ms, true)}>{clock(row.ms, true)}</time>
          <span class="level">{row.level === 'other' ? '' : row.level}</span>
          {service && <span class="log-service">{row.labels.service_name}</span>}
          <span class="log-text">{text}</span>
        </button>
        {traceId && <a class="log-trace" href={href(`trace/${traceId}`, { span: spanIdOf(row) })}>View trace</a>}
      </div>
      {open && <Fields row={row} onFilter={onFilter} />}
    </li>
  );
}

/** A matcher finds stream labels only; where structured metadata may be among them, a filter is safe. */
const isStreamLabel = (row: LogRow, f: Field): boolean =>
  f.name === 'service_name' || (f.source === 'label' && row.sorted);

const SOURCE = { label: 'label', metadata: 'metadata', line: 'in line' } as const;

function Fields({ row, onFilter }: { row: LogRow; onFilter: OnFilter }) {
  const fields = fieldsOf(row);
  const filter = (f: Field, op: '=' | '!=') => onFilter(f.name, op, f.value, isStreamLabel(row, f));
  return (
    <div class="log-fields">
      <div class="row">
        <span class="faint">{dayClock(row.ms, true)}</span>
        <CopyButton text={row.line} title="Copy the line" />
      </div>
      {row.line.length > 120 && <pre class="log-full">{row.line}</pre>}
      <table class="kv">
        <tbody>
          {fields.map((f) => (
            <tr>
              <th scope="row">{f.name}</th>
              <td>
                {f.value}
                {f.source !== 'line' && (
                  <span class="field-tools">
                    <Button kind="ghost" icon="plus" title={`Only ${f.name} = ${f.value}`} onClick={() => filter(f, '=')} />
                    <Button kind="ghost" icon="minus" title={`Without ${f.name} = ${f.value}`} onClick={() => filter(f, '!=')} />
                  </span>
                )}
                <CopyButton text={f.value} />
              </td>
              <td class="faint source">{SOURCE[f.source]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
