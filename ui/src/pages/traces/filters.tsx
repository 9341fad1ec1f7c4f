// SPDX-License-Identifier: Apache-2.0
// The common filters as controls. A query that says more switches them off, visibly.

import { useEffect, useState } from 'preact/hooks';

import { Button, Choice } from '../../kit/basics';
import type { TraceFilters } from '../../lib/query';
import { parseDuration } from '../../lib/time';
import { tempoTagValues } from '../../state/api';
import { range } from '../../state/range';
import { useQueryOnce } from '../../state/use-query';

export function Filters({ filters, onChange }: {
  filters: TraceFilters | null; onChange: (f: TraceFilters) => void;
}) {
  const services = useQueryOnce('services', () => tempoTagValues('resource.service.name', range.value));
  const names = useQueryOnce('names', () => tempoTagValues('name', range.value));
  if (!filters) {
    return (
      <div class="filters">
        <span class="faint">The query says more than the filters can show.</span>
        <Button onClick={() => onChange({})}>Use filters</Button>
      </div>
    );
  }
  const change = (part: TraceFilters) => onChange({ ...filters, ...part });
  return (
    <div class="filters" role="group" aria-label="Filters">
      <label>Service
        <select value={filters.service ?? ''} onChange={(e) => change({ service: e.currentTarget.value || undefined })}>
          <option value="">any</option>
          {withPresent(services.data, filters.service).map((s) => <option value={s}>{s}</option>)}
        </select>
      </label>
      <Suggest label="Span" value={filters.name ?? ''} options={names.data ?? []} onChange={(v) => change({ name: v || undefined })} />
      <Choice label="Status" value={filters.status ?? ''} options={[['', 'Any'], ['error', 'Error'], ['ok', 'OK']]}
        onChange={(v) => change({ status: v || undefined })} />
      <Duration label="Min" value={filters.min ?? ''} onChange={(v) => change({ min: v || undefined })} />
      <Duration label="Max" value={filters.max ?? ''} onChange={(v) => change({ max: v || undefined })} />
    </div>
  );
}

const withPresent = (list: string[] | undefined, present: string | undefined): string[] =>
  [...new Set([...list ?? [], ...(present ? [present] : [])])];

function Suggest({ label, value, options, onChange }: {
  label: string; value: string; options: string[]; onChange: (v: string) => void;
}) {
  return (
    <label>{label}
      <input list="span-names" value={value} placeholder="any name" spellcheck={false}
        onChange={(e) => onChange(e.currentTarget.value.trim())} />
      <datalist id="span-names">{options.slice(0, 500).map((o) => <option value={o} />)}</datalist>
    </label>
  );
}

function Duration({ label, value, onChange }: { label: string; value: string; onChange: (v: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const wrong = text !== '' && parseDuration(text) === null && !/^\d+(\.\d+)?(us|µs|ns)$/.test(text);
  return (
    <label>{label}
      <input class="short" value={text} placeholder="100ms" spellcheck={false} aria-invalid={wrong}
        onInput={(e) => setText(e.currentTarget.value.trim())} onChange={() => { if (!wrong) onChange(text); }} />
    </label>
  );
}
