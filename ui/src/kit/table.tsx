// SPDX-License-Identifier: Apache-2.0
// A table that sorts by its heads. Numbers stand right, in tabular figures.

import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';

export interface Column<T> {
  id: string;
  head: string;
  title?: string;
  num?: boolean;
  wrap?: boolean;                              // long texts may break
  roomy?: boolean;                             // left out where the window is narrow
  sort?: (row: T) => number | string | null;   // absent: cannot sort by it
  cell: (row: T) => ComponentChildren;
}

interface Props<T> {
  columns: Column<T>[]; rows: T[]; keyOf: (row: T) => string; sortBy?: string; descending?: boolean;
  label: string; max?: number;
}

export function Table<T>({ columns, rows, keyOf, sortBy, descending = false, label, max = 1000 }: Props<T>) {
  const [order, setOrder] = useState({ id: sortBy ?? '', down: descending });
  const sorted = useMemo(() => {
    const by = columns.find((c) => c.id === order.id)?.sort;
    if (!by) return rows;
    const sign = order.down ? -1 : 1;
    return [...rows].sort((a, b) => sign * compare(by(a), by(b), order.down));
  }, [rows, order.id, order.down]);
  const click = (c: Column<T>) => setOrder(order.id === c.id ? { id: c.id, down: !order.down } : { id: c.id, down: !!c.num });
  return (
    <div class="table-scroll">
      <table class="table" aria-label={label}>
        <thead>
          <tr>
            {columns.map((c) => (
              <th class={classOf(c)} title={c.title}
                aria-sort={order.id === c.id ? (order.down ? 'descending' : 'ascending') : undefined}>
                {c.sort
                  ? <button type="button" onClick={() => click(c)}>{c.head}<span class="sort" aria-hidden="true">{order.id === c.id ? (order.down ? '↓' : '↑') : ''}</span></button>
                  : c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, max).map((row) => (
            <tr key={keyOf(row)}>{columns.map((c) => <td class={classOf(c)}>{c.cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
      {rows.length > max && <p class="faint pad">{rows.length - max} more rows; filter to see them.</p>}
    </div>
  );
}

const classOf = <T,>(c: Column<T>) =>
  [c.num ? 'num' : c.wrap ? 'wrap' : '', c.roomy ? 'roomy' : ''].filter(Boolean).join(' ');

/** Missing values stay last in either direction. */
function compare(a: number | string | null, b: number | string | null, down: boolean): number {
  if (a === null || b === null) return a === b ? 0 : (a === null ? 1 : -1) * (down ? -1 : 1);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
