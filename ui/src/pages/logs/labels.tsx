// SPDX-License-Identifier: Apache-2.0
// The label browser: names, then values; a click narrows the query.

import { useState } from 'preact/hooks';

import { Await } from '../../kit/basics';
import { lokiLabels, lokiLabelValues } from '../../state/api';
import { range } from '../../state/range';
import { useQuery } from '../../state/use-query';

export function LabelBrowser({ onPick }: { onPick: (label: string, value: string) => void }) {
  const [label, setLabel] = useState<string | null>(null);
  const [text, setText] = useState('');
  const labels = useQuery('log-labels', (signal) => lokiLabels(range.value, signal));
  const values = useQuery(label === null ? null : `log-values/${label}`,
    (signal) => lokiLabelValues(label!, range.value, signal), label ?? '');
  const match = (v: string) => v.toLowerCase().includes(text.toLowerCase());
  return (
    <div class="label-browser">
      <div class="column" role="listbox" aria-label="Labels">
        <Await answer={labels}>
          {(list) => (list.length ? list.map((l) => (
            <button type="button" role="option" aria-selected={l === label} onClick={() => { setLabel(l); setText(''); }}>{l}</button>
          )) : <p class="faint pad">No labels in this range.</p>)}
        </Await>
      </div>
      <div class="column wide" role="listbox" aria-label="Values">
        {label === null
          ? <p class="faint pad">Choose a label to see its values.</p>
          : (
            <>
              <input type="search" class="column-search" placeholder="Filter values" value={text} onInput={(e) => setText(e.currentTarget.value)} />
              <Await answer={values}>
                {(list) => list.filter(match).slice(0, 200).map((v) => (
                  <button type="button" role="option" aria-selected={false} onClick={() => onPick(label, v)}>{v}</button>
                ))}
              </Await>
            </>
          )}
      </div>
    </div>
  );
}
