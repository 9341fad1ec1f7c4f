// SPDX-License-Identifier: Apache-2.0
// Query text: quoting, the filters of the trace search as TraceQL, edits of LogQL, PromQL selectors.

export const quote = (value: string): string =>
  `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;

const unquote = (text: string): string =>
  text.slice(1, -1).replace(/\\n/g, '\n').replace(/\\(["\\])/g, '$1');

// ---- PromQL ------------------------------------------------------------------------------------

/** `name{a="b",c!="d"}`; a key may end in an operator: {"error_type!": ""}. */
export function promSelector(name: string, matchers: Record<string, string | undefined> = {}): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(matchers)) {
    if (value === undefined) continue;
    const op = /^(.*?)(=~|!~|!|=)?$/.exec(key)!;
    const sign = op[2] === '!' ? '!=' : (op[2] ?? '=');
    parts.push(`${op[1]}${sign}${quote(value)}`);
  }
  return parts.length ? `${name}{${parts.join(',')}}` : name;
}

/** `{a="b"}` text of a series' labels, its name in front. */
export function seriesName(labels: Record<string, string>): string {
  const { __name__: name = '', ...rest } = labels;
  const keys = Object.keys(rest).sort();
  if (!keys.length) return name || '{}';
  return `${name}{${keys.map((k) => `${k}=${quote(rest[k]!)}`).join(', ')}}`;
}

/** Labels that say where a series comes from; left out where the others tell the series apart. */
const IDENTITY = ['instance', 'job', 'service_instance_id', 'service_version', 'messaging_client_id', 'messaging_system'];

/** Names for a legend: what all series have in common is said once, the rest tells them apart. */
export function legendNames(list: Record<string, string>[]): { common: string; names: string[] } {
  if (list.length < 2) return { common: '', names: list.map(seriesName) };
  const shared = Object.fromEntries(Object.entries(list[0]!)
    .filter(([k, v]) => list.every((labels) => labels[k] === v)));
  const left = list.map((labels) => Object.fromEntries(Object.entries(labels).filter(([k]) => !(k in shared))));
  for (const noise of IDENTITY) {
    const without = left.map(({ [noise]: _, ...rest }) => rest);
    if (new Set(without.map(seriesName)).size === left.length) left.splice(0, left.length, ...without);
  }
  const names = left.map((labels) => {
    const own = Object.entries(labels);
    return own.length === 1 && own[0]![0] !== '__name__' ? `${own[0]![0]}=${quote(own[0]![1])}` : seriesName(Object.fromEntries(own));
  });
  return { common: Object.keys(shared).length ? seriesName(shared) : '', names };
}

// ---- TraceQL -----------------------------------------------------------------------------------

export interface TraceFilters {
  service?: string; name?: string; status?: string; min?: string; max?: string;
}

/** The filters as one spanset; "{ }" when nothing is filtered. */
export function buildTraceQl(f: TraceFilters): string {
  const terms: string[] = [];
  if (f.service) terms.push(`resource.service.name = ${quote(f.service)}`);
  if (f.name) terms.push(`name = ${quote(f.name)}`);
  if (f.status) terms.push(`status = ${f.status}`);
  if (f.min) terms.push(`duration >= ${f.min}`);
  if (f.max) terms.push(`duration <= ${f.max}`);
  return terms.length ? `{ ${terms.join(' && ')} }` : '{ }';
}

/** The filters that a query is made of; null when it says more than the filters can. */
export function parseTraceQl(query: string): TraceFilters | null {
  const body = /^\s*\{([^{}]*)\}\s*$/.exec(query);
  if (!query.trim()) return {};
  if (!body) return null;
  const filters: TraceFilters = {};
  if (!body[1]!.trim()) return filters;
  for (const term of body[1]!.split('&&')) {
    const m = /^\s*(resource\.service\.name|name|status|duration)\s*(=|>=|<=)\s*("(?:[^"\\]|\\.)*"|[\w.]+)\s*$/.exec(term);
    if (!m) return null;
    const [, field, op, raw] = m as unknown as [string, string, string, string];
    const value = raw.startsWith('"') ? unquote(raw) : raw;
    if (field === 'duration' && op === '>=') filters.min = value;
    else if (field === 'duration' && op === '<=') filters.max = value;
    else if (op !== '=' || field === 'duration') return null;
    else if (field === 'name') filters.name = value;
    else if (field === 'status') filters.status = value;
    else filters.service = value;
  }
  return filters;
}

// ---- LogQL -------------------------------------------------------------------------------------

/** Everything up to the selector's closing brace, and the pipeline behind it. */
export function splitLogQl(query: string): { selector: string; pipeline: string } | null {
  const start = /^\s*\{/.exec(query);
  if (!start) return null;
  let quoted: string | null = null;
  for (let i = start[0].length; i < query.length; i++) {
    const c = query[i]!;
    if (quoted) {
      if (c === '\\' && quoted === '"') i++;
      else if (c === quoted) quoted = null;
    } else if (c === '"' || c === '`') quoted = c;
    else if (c === '}') return { selector: query.slice(0, i + 1).trim(), pipeline: query.slice(i + 1).trim() };
  }
  return null;
}

/** A log query gives lines; anything that does not start with a selector gives numbers. */
export const isLogQuery = (query: string): boolean => splitLogQl(query) !== null;

/** Adds a matcher to the selector, or replaces the one on the same label with the same operator. */
export function addMatcher(query: string, label: string, op: '=' | '!=', value: string): string {
  const parts = splitLogQl(query);
  const matcher = `${label}${op}${quote(value)}`;
  if (!parts) return `{${matcher}}`;
  const inner = parts.selector.slice(1, -1).trim();
  const kept = inner
    ? splitMatchers(inner).filter((m) => !isPlaceholder(m) && !(op === '=' && m.startsWith(`${label}=`)))
    : [];
  return `{${[...kept, matcher].join(', ')}}${parts.pipeline ? ` ${parts.pipeline}` : ''}`;
}

const isPlaceholder = (matcher: string): boolean => /^service_name\s*=~\s*"\.\+"$/.test(matcher);

function splitMatchers(inner: string): string[] {
  return (inner.match(/(?:[^,"`]|"(?:[^"\\]|\\.)*"|`[^`]*`)+/g) ?? []).map((m) => m.trim()).filter(Boolean);
}

/** Adds a filter behind the pipeline: `| trace_id = "…"`. */
export function addLabelFilter(query: string, label: string, op: '=' | '!=', value: string): string {
  return `${query.trim()} | ${label} ${op} ${quote(value)}`;
}

/** Adds or replaces the plain-text line filter that the search box holds. */
export function addLineFilter(query: string, text: string): string {
  return text ? `${query.trim()} |= ${quote(text)}` : query;
}

/** The number of lines by level that the query matches, per step. */
export function volumeQuery(query: string, stepS: number): string {
  return `sum by (level) (count_over_time(${query.trim()} [${stepS}s]))`;
}
