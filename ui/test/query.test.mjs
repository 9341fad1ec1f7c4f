// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import test from 'node:test';

import { load } from './load.mjs';

const q = await load('lib/query.ts');

test('PromQL selectors quote what they must', () => {
  assert.equal(q.promSelector('up'), 'up');
  assert.equal(q.promSelector('up', { job: 'a"b\\c\n', gone: undefined }), 'up{job="a\\"b\\\\c\\n"}');
  assert.equal(q.promSelector('x', { 'error_type!': '' }), 'x{error_type!=""}');
  assert.equal(q.promSelector('x', { 'job=~': 'a.*' }), 'x{job=~"a.*"}');
});

test('series names', () => {
  assert.equal(q.seriesName({ __name__: 'up', b: '2', a: '1' }), 'up{a="1", b="2"}');
  assert.equal(q.seriesName({ __name__: 'up' }), 'up');
  assert.equal(q.seriesName({}), '{}');
});

test('legend names say what differs, and the common part once', () => {
  assert.deepEqual(q.legendNames([{ __name__: 'up', job: 'a', dc: 'x' }, { __name__: 'up', job: 'b', dc: 'x' }]),
    { common: 'up{dc="x"}', names: ['job="a"', 'job="b"'] });
  assert.deepEqual(q.legendNames([{ __name__: 'up', job: 'a' }]), { common: '', names: ['up{job="a"}'] });
  assert.deepEqual(q.legendNames([{ __name__: 'a' }, { __name__: 'b', x: '1' }]), { common: '', names: ['a', 'b{x="1"}'] });
  assert.deepEqual(q.legendNames([{ job: 'x', instance: 'x-1', g: 'a' }, { job: 'y', instance: 'y-1', g: 'b' }]).names, ['g="a"', 'g="b"']);
  assert.deepEqual(q.legendNames([{ job: 'x', g: 'a' }, { job: 'y', g: 'a' }]).names, ['job="x"', 'job="y"']);
  assert.deepEqual(q.legendNames([{ a: '1' }, {}]), { common: '', names: ['a="1"', '{}'] });
});

test('trace filters survive the way through TraceQL', () => {
  const cases = [
    {}, { service: 'a' }, { name: 'process orders' }, { status: 'error', min: '100ms' },
    { service: 'we "quote"', name: 'back\\slash', status: 'ok', min: '1.5s', max: '2m' },
  ];
  for (const filters of cases) assert.deepEqual(q.parseTraceQl(q.buildTraceQl(filters)), filters);
});

test('a query that says more than the filters is left alone', () => {
  for (const text of ['{ status = error } | count() > 2', '{ name =~ "x.*" }', '{ .a = 1 }', '{ status = error || name = "x" }',
                      '{ duration > 1s }', '{ status = error', '{} && {}', '{ name = "a && b" && status != ok }']) {
    assert.equal(q.parseTraceQl(text), null, text);
  }
  assert.deepEqual(q.parseTraceQl(''), {});
  assert.deepEqual(q.parseTraceQl('{}'), {});
});

test('LogQL is split at the selector’s own brace', () => {
  assert.deepEqual(q.splitLogQl('{a="}"} |= "x"'), { selector: '{a="}"}', pipeline: '|= "x"' });
  assert.deepEqual(q.splitLogQl('{a=`}`}'), { selector: '{a=`}`}', pipeline: '' });
  assert.deepEqual(q.splitLogQl('{a="\\"}"} | json'), { selector: '{a="\\"}"}', pipeline: '| json' });
  assert.equal(q.splitLogQl('rate({a="b"}[1m])'), null);
  assert.equal(q.splitLogQl('{a="b"'), null);
  assert.equal(q.isLogQuery('sum(rate({a="b"}[1m]))'), false);
  assert.equal(q.isLogQuery(' {a="b"}'), true);
});

test('matchers replace the one on the same label and the match-all', () => {
  assert.equal(q.addMatcher('{service_name=~".+"} |= "x"', 'service_name', '=', 'a'), '{service_name="a"} |= "x"');
  assert.equal(q.addMatcher('{a="1", b="x,y"}', 'a', '=', '2'), '{b="x,y", a="2"}');
  assert.equal(q.addMatcher('{a="1"}', 'b', '!=', 'q"'), '{a="1", b!="q\\""}');
  assert.equal(q.addMatcher('', 'a', '=', '1'), '{a="1"}');
});

test('filters behind the pipeline', () => {
  assert.equal(q.addLabelFilter('{a="1"}', 'trace_id', '=', 'ff'), '{a="1"} | trace_id = "ff"');
  assert.equal(q.addLineFilter('{a="1"}', 'say "hi"'), '{a="1"} |= "say \\"hi\\""');
  assert.equal(q.addLineFilter('{a="1"}', ''), '{a="1"}');
  assert.equal(q.volumeQuery('{a="1"} ', 10), 'sum by (level) (count_over_time({a="1"} [10s]))');
});
