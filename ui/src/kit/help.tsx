// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from 'preact/hooks';

import { Button } from './basics';

const KEYS: readonly [string, readonly [string, string][]][] = [
  ['Everywhere', [
    ['/', 'Search'], ['g o', 'Overview'], ['g t', 'Traces'], ['g l', 'Logs'], ['g m', 'Metrics'],
    ['g g', 'Consumer groups'], ['g a', 'Alerts'], ['g s', 'Status'], ['r', 'Refresh now'], ['[  ]', 'Earlier, later'],
    ['?', 'This help'], ['Esc', 'Close, leave the box'],
  ]],
  ['Query boxes', [
    ['Enter', 'Run'], ['Shift Enter', 'New line'], ['Ctrl Space', 'Suggestions'],
  ]],
  ['Waterfall', [
    ['↑  ↓', 'Previous, next span'], ['←  →', 'Collapse, expand'], ['Home  End', 'First, last'], ['e', 'Next error'], ['Esc', 'Close details'],
  ]],
  ['Charts', [['Drag', 'Zoom the time range'], ['Click a series', 'Show it alone']]],
];

export function Help({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  return (
    <dialog ref={dialog} class="dialog" onClose={close} aria-label="Keyboard"
      onClick={(e) => { if (e.target === dialog.current) close(); }}>
      <header class="panel-head"><h2>Keyboard</h2><div class="panel-aside"><Button kind="ghost" icon="close" title="Close" onClick={close} /></div></header>
      <div class="help">
        {KEYS.map(([title, keys]) => (
          <section>
            <h3>{title}</h3>
            <dl>{keys.map(([k, what]) => <><dt>{k.split('  ').map((x) => <kbd>{x}</kbd>)}</dt><dd>{what}</dd></>)}</dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
