// SPDX-License-Identifier: Apache-2.0
// A server with made-up data in the shapes of the real one: node dev/mock.mjs [--port 3001] [--ui dist]
// [--empty]. For developing the page without a Kafka; it understands only the queries that the page asks.

import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { allSeries, bigTrace, flowAt, METADATA, slotsIn } from './data.mjs';

const flag = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const EMPTY = process.argv.includes('--empty');
const UI = path.resolve(flag('ui', 'dist'));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

class Refused extends Error {}

// ---- a very small part of PromQL -------------------------------------------------------------------

function parseQuery(query) {
  const plain = query.replace(/\b(by|without)\s*\([^)]*\)/g, '');
  const selectors = [];
  for (const m of plain.matchAll(/\b((?:messaging|weir|process|traces|otelcol)_[\w:]+)(?:\{([^}]*)\})?|\{([^}]*)\}/g)) {
    selectors.push({ name: m[1] ?? null, matchers: m[2] ?? m[3] ?? '' });
  }
  const unclosed = (query.match(/\(/g) ?? []).length - (query.match(/\)/g) ?? []).length;
  if (unclosed) throw new Refused(`1:${query.length + 1}: parse error: unclosed left parenthesis`);
  if (!selectors.length) throw new Refused(`1:1: parse error: the mock does not know "${query}"`);
  const by = /by\s*\(([^)]*)\)/.exec(query)?.[1].split(',').map((s) => s.trim()).filter((l) => l && l !== 'le');
  return { ...selectors[0], by, quantile: /histogram_quantile/.test(query), rate: /\b(rate|irate)\(/.test(query), increase: /increase\([^[]*\[(\d+)s\]/.exec(query)?.[1], aggregate: /\b(sum|max|avg|count)\b/.exec(query)?.[1] };
}

function matches(labels, name, text) {
  for (const m of text.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)) {
    const have = m[1] === '__name__' ? name : labels[m[1]] ?? '';
    const hit = m[2].includes('~') ? new RegExp(`^(?:${m[3]})$`).test(have) : have === m[3];
    if (hit === m[2].startsWith('!')) return false;
  }
  return true;
}

function evaluate(query, times) {
  const q = parseQuery(query);
  const groups = new Map();
  for (const s of EMPTY ? [] : allSeries()) {
    if ((q.name && s.name !== q.name) || !matches(s.labels, s.name, q.matchers)) continue;
    const labels = q.by ? Object.fromEntries(q.by.filter((l) => s.labels[l]).map((l) => [l, s.labels[l]])) : q.aggregate ? {} : q.rate || q.quantile ? s.labels : { __name__: s.name, ...s.labels };
    const key = JSON.stringify(labels);
    const group = groups.get(key) ?? { metric: labels, members: [] };
    groups.set(key, group);
    group.members.push(s);
  }
  const one = (s, t) => (q.quantile ? s.quantile?.(t) ?? NaN : q.rate ? s.rate(t) : q.increase ? s.rate(t) * Number(q.increase) : s.value(t));
  return [...groups.values()].map(({ metric, members }) => ({
    metric,
    values: times.map((t) => {
      const all = members.map((s) => one(s, t));
      const v = q.quantile || q.aggregate === 'max' ? Math.max(...all) : q.aggregate === 'count' ? all.length : all.reduce((a, b) => a + b, 0);
      return [t, String(v)];
    }),
  }));
}

function prometheus(p, get, send) {
  if (p === '/api/v1/query') {
    const t = Number(get('time')) || Date.now() / 1000;
    const result = evaluate(get('query'), [t]).map(({ metric, values }) => ({ metric, value: values[0] }));
    return send({ status: 'success', data: { resultType: 'vector', result } });
  }
  if (p === '/api/v1/query_range') {
    const times = [];
    for (let t = Number(get('start')); t <= Number(get('end')) + 1e-6; t += Number(get('step'))) times.push(t);
    return send({ status: 'success', data: { resultType: 'matrix', result: evaluate(get('query'), times) } });
  }
  const series = EMPTY ? [] : allSeries();
  if (p === '/api/v1/metadata') return send({ status: 'success', data: Object.fromEntries(Object.entries(EMPTY ? {} : METADATA).map(([k, [type, help, unit]]) => [k, [{ type, help, unit }]])) });
  if (p === '/api/v1/labels') return send({ status: 'success', data: ['__name__', ...new Set(series.flatMap((s) => Object.keys(s.labels)))].sort() });
  const label = /^\/api\/v1\/label\/([^/]+)\/values$/.exec(p)?.[1];
  if (label) return send({ status: 'success', data: [...new Set(series.map((s) => (label === '__name__' ? s.name : s.labels[label])).filter(Boolean))].sort() });
  return send({ status: 'success', data: [] });
}

// ---- Loki ------------------------------------------------------------------------------------------

function logFilter(query) {
  const selector = /^\s*\{([^}]*)\}/.exec(query);
  if (!selector) throw new Refused(`parse error at line 1, col 1: syntax error: unexpected "${query.slice(0, 8)}", expecting {`);
  const rest = query.slice(selector[0].length);
  const bad = /\|\s*(unwrp|jsn)\b/.exec(rest);
  if (bad) throw new Refused(`parse error at line 1, col ${selector[0].length + bad.index + 3}: unknown stage "${bad[1]}", did you mean "json"?`);
  return (l) => {
    const labels = { service_name: l.service, service_version: '0.1.0' };
    const all = { ...labels, level: l.level.toLowerCase(), trace_id: l.trace, span_id: l.span };
    if (!matches(labels, '', selector[1])) return false;
    for (const m of rest.matchAll(/(\|=|!=|\|~)\s*"((?:[^"\\]|\\.)*)"/g)) {
      const before = rest.slice(0, m.index);
      if (m[1] === '!=' && /\w\s*$/.test(before)) continue;
      const hit = m[1] === '|~' ? new RegExp(m[2]).test(l.line) : l.line.includes(m[2].replace(/\\"/g, '"'));
      if (hit === (m[1] === '!=')) return false;
    }
    for (const m of rest.matchAll(/\|\s*(\w+)\s*(=|!=)\s*"((?:[^"\\]|\\.)*)"/g)) if (((all[m[1]] ?? '') === m[3]) === (m[2] === '!=')) return false;
    return true;
  };
}

const linesIn = (startMs, endMs) => (EMPTY ? [] : slotsIn(startMs - 500, endMs).flatMap((s) => flowAt(s).logs))
  .filter((l) => l.ns >= BigInt(Math.floor(startMs)) * 1000000n && l.ns <= BigInt(Math.ceil(endMs)) * 1000000n);

function streamsOf(lines) {
  const streams = new Map();
  for (const l of lines) {
    const stream = { service_name: l.service, service_version: '0.1.0', level: l.level.toLowerCase(), ...(l.trace ? { trace_id: l.trace, span_id: l.span } : {}) };
    const key = JSON.stringify(stream);
    const s = streams.get(key) ?? { stream, values: [] };
    streams.set(key, s);
    s.values.push([String(l.ns), l.line]);
  }
  return [...streams.values()];
}

function loki(p, get, send) {
  const start = Number(get('start') ?? 0) / 1e6;
  const end = Number(get('end') ?? Date.now() * 1e6) / 1e6;
  if (p.endsWith('/labels')) return send({ status: 'success', data: EMPTY ? [] : ['service_name', 'service_version'] });
  const label = /\/label\/([^/]+)\/values$/.exec(p)?.[1];
  if (label) return send({ status: 'success', data: EMPTY ? [] : label === 'service_name' ? ['metrics-at-most-once', 'orders-at-least-once'] : ['0.1.0'] });
  const query = get('query');
  const metric = /^(?:sum by \(([^)]*)\) \()?(?:count_over_time|rate)\(([\s\S]*) \[(\w+)\]\)/.exec(query);
  if (!metric) {
    const keep = logFilter(query);
    const forward = get('direction') === 'forward';
    const found = linesIn(start, end).filter(keep).sort((a, b) => (forward === (a.ns < b.ns) ? -1 : 1));
    return send({ status: 'success', data: { resultType: 'streams', result: streamsOf(found.slice(0, Number(get('limit') ?? 100))), stats: {} } });
  }
  const step = parseFloat(get('step'));
  const keep = logFilter(metric[2]);
  const by = metric[1];
  const groups = new Map();
  for (const l of linesIn(start - step * 1000, end)) {
    if (!keep(l)) continue;
    const name = by === 'level' ? l.level.toLowerCase() : l.service;
    const t = Math.ceil(Number(l.ns / 1000000n) / 1000 / step) * step;
    const bins = groups.get(name) ?? new Map();
    groups.set(name, bins);
    bins.set(t, (bins.get(t) ?? 0) + 1);
  }
  return send({ status: 'success', data: { resultType: 'matrix', result: [...groups].map(([name, bins]) => ({ metric: { [by || 'service_name']: name }, values: [...bins].sort((a, b) => a[0] - b[0]).map(([t, n]) => [t, String(n)]) })) } });
}

function tail(request, socket) {
  const url = new URL(request.url, 'http://mock');
  const accept = crypto.createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  const keep = logFilter(url.searchParams.get('query'));
  let since = Date.now() - 4000;
  const timer = setInterval(() => {
    const until = Date.now();
    const streams = streamsOf(linesIn(since, until).filter(keep));
    since = until;
    if (!streams.length) return;
    const body = Buffer.from(JSON.stringify({ streams, dropped_entries: [] }));
    const head = body.length < 126 ? Buffer.from([0x81, body.length]) : body.length < 65536 ? Buffer.from([0x81, 126, body.length >> 8, body.length & 255]) : Buffer.concat([Buffer.from([0x81, 127, 0, 0, 0, 0]), Buffer.from(Uint32Array.of(body.length).buffer).reverse()]);
    socket.write(Buffer.concat([head, body]));
  }, 700);
  socket.on('close', () => clearInterval(timer));
  socket.on('error', () => clearInterval(timer));
}

// ---- Tempo, Weir -----------------------------------------------------------------------------------

function search(get, send) {
  const q = get('q') ?? '{ }';
  if ((q.match(/\{/g) ?? []).length !== (q.match(/\}/g) ?? []).length || !q.trim().startsWith('{')) {
    throw new Refused(`parse error at line 1, col ${q.length + 1}: syntax error: unexpected $end, expecting }`);
  }
  const service = /service\.name\s*=\s*"([^"]*)"/.exec(q)?.[1];
  const name = /(?:^|[^.\w])name\s*=\s*"([^"]*)"/.exec(q)?.[1];
  const topic = /destination\.name\s*=\s*"([^"]*)"/.exec(q)?.[1];
  const min = /duration\s*>=?\s*([\d.]+)ms/.exec(q)?.[1];
  const found = EMPTY ? [] : slotsIn(Number(get('start')) * 1000, Number(get('end')) * 1000).reverse().flatMap((s) => flowAt(s).traces).filter((t) =>
    (!/status\s*=\s*error/.test(q) || t.errors) && (!service || t.services.includes(service)) && (!min || t.durationMs >= min) &&
    (!name || t.name === name || name.startsWith('process')) && (!topic || t.name.includes(topic)));
  send({ traces: found.slice(0, Number(get('limit') ?? 20)).map((t) => ({
    traceID: t.id, rootServiceName: t.service, rootTraceName: t.name, startTimeUnixNano: String(t.start), durationMs: Math.round(t.durationMs),
    spanSets: [{ matched: t.errors || 1, spans: [] }],
    serviceStats: Object.fromEntries(t.services.map((s, i) => [s, { spanCount: i ? t.spans - 1 : 1, errorCount: i ? t.errors : 0 }])),
  })), metrics: {} });
}

function trace(id, send, fail) {
  if (id === bigTrace(1).traceId) return send({ traces: [id], ...bigTrace(20000) });
  for (const s of slotsIn(Date.now() - 3600e3 * 3, Date.now()).reverse()) {
    const flow = flowAt(s);
    if (flow.traceIds.includes(id)) return send({ traces: flow.traceIds, resourceSpans: flow.resourceSpans });
  }
  return fail(404, 'trace not found');
}

const STARTED = Date.now();
const nano = (ms) => `${ms}000000`;
const component = (name, detail, more = {}) => ({ name, ready: true, detail, since_ns: nano(STARTED), ...more });
const status = () => ({
  version: '0.1.0', ready: true, uptime_s: Math.round((Date.now() - STARTED) / 1000), started_ns: nano(STARTED),
  memory_limit_bytes: 2 ** 31, retention: { age_s: 7 * 86400, size_bytes: 0 },
  components: [
    component('otlp/grpc', 'listening on 127.0.0.1 port 4317', { last_error: 'request refused: message of 22 MiB is over the limit of 20 MiB', last_error_ns: nano(STARTED - 190e3) }),
    component('otlp/http', 'listening on 127.0.0.1 port 4318'), component('ui', 'listening on 127.0.0.1 port 3000'), component('store', '12 parts, 48.2 MiB'),
  ],
  store: {
    spans: 184221, logs: 402118, samples: 5120331, series: 812, traces_bytes: 30512211, metrics_bytes: 8200100, logs_bytes: 11800000,
    wal_bytes: 4194304, memory_bytes: 21300000, parts: 12, oldest_ns: nano(STARTED - 6 * 86400e3), newest_ns: nano(Date.now()),
  },
});

// ---- the server ------------------------------------------------------------------------------------

function file(p, response) {
  const name = path.basename(p) || 'index.html';
  const full = path.join(UI, fs.existsSync(path.join(UI, name)) && !p.endsWith('/') ? name : 'index.html');
  response.writeHead(200, { 'Content-Type': TYPES[path.extname(full)] ?? 'text/plain', 'Content-Security-Policy': CSP, 'Cache-Control': 'no-store' });
  response.end(fs.readFileSync(full));
}

const server = http.createServer((request, response) => {
  let form = '';
  request.on('data', (chunk) => { form += chunk; });
  request.on('end', () => {
    const url = new URL(request.url, 'http://mock');
    const p = url.pathname;
    const post = new URLSearchParams(form);
    const get = (key) => url.searchParams.get(key) ?? post.get(key) ?? undefined;
    const send = (body) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const fail = (code, error) => {
      response.writeHead(code, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ status: 'error', errorType: 'bad_data', error }));
    };
    try {
      const id = /^\/(?:weir\/v1\/trace|api\/traces)\/([0-9a-f]+)$/.exec(p)?.[1];
      if (p === '/') {
        response.writeHead(302, { Location: '/ui/' });
        response.end();
      } else if (p.startsWith('/ui')) file(p, response);
      else if (p === '/weir/v1/status') send(status());
      else if (id) trace(id, send, fail);
      else if (p === '/api/search') search(get, send);
      else if (p === '/api/v2/search/tags') send({ scopes: [{ name: 'resource', tags: ['service.name', 'host.name'] }, { name: 'span', tags: ['messaging.destination.name', 'messaging.kafka.offset', 'order.id'] }, { name: 'intrinsic', tags: ['name'] }] });
      else if (p.startsWith('/api/v2/search/tag/')) {
        const tag = decodeURIComponent(p.split('/')[5]);
        const values = EMPTY ? [] : tag === 'name' ? ['send orders', 'process orders', 'poll orders', 'commit orders'] : tag === 'resource.service.name' ? ['metrics-generator', 'metrics-at-most-once', 'orders-api', 'orders-at-least-once'] : ['orders', 'metrics'];
        send({ tagValues: values.map((value) => ({ type: 'string', value })) });
      } else if (p.startsWith('/api/v1/')) prometheus(p, get, send);
      else if (p.startsWith('/loki/')) loki(p, get, send);
      else fail(404, 'no such path');
    } catch (error) {
      fail(error instanceof Refused ? 400 : 500, error.message);
    }
  });
});
server.on('upgrade', (request, socket) => {
  try {
    tail(request, socket);
  } catch {
    socket.destroy();
  }
});
const port = Number(flag('port', 3001));
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/ui/`));
