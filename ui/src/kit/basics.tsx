// SPDX-License-Identifier: Apache-2.0
// Small parts that every page uses: buttons, panels, error and loading states, copyable text.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import type { ApiError } from '../state/http';
import type { Answer } from '../state/use-query';
import { Icon, type IconName } from './icons';

interface ButtonProps {
  icon?: IconName; label?: string; title?: string; onClick?: () => void; active?: boolean;
  kind?: 'plain' | 'primary' | 'ghost'; disabled?: boolean; type?: 'button' | 'submit';
  children?: ComponentChildren;
}

export function Button({ icon, label, title, onClick, active, kind = 'plain', disabled, type = 'button', children }: ButtonProps) {
  return (
    <button type={type} class={`button ${kind}${active ? ' active' : ''}`} onClick={onClick} disabled={disabled}
      title={title} aria-label={children ? undefined : label ?? title} aria-pressed={active}>
      {icon && <Icon name={icon} />}{children}
    </button>
  );
}

interface PanelProps {
  title?: ComponentChildren; aside?: ComponentChildren; busy?: boolean; flush?: boolean; class?: string;
  children: ComponentChildren;
}

export function Panel({ title, aside, busy, flush, class: name = '', children }: PanelProps) {
  return (
    <section class={`panel ${name}${flush ? ' flush' : ''}`} aria-busy={busy}>
      {(title || aside) && (
        <header class="panel-head">
          {title && <h2>{title}</h2>}
          <div class="panel-aside">{aside}</div>
        </header>
      )}
      {busy && <div class="progress" role="progressbar" aria-label="Loading" />}
      <div class="panel-body">{children}</div>
    </section>
  );
}

/** A server's refusal: its words, and the query with a caret where they point. */
export function ErrorNote({ error, query, retry }: { error: Error; query?: string; retry?: () => void }) {
  const { position, status } = error as Partial<ApiError>;
  const line = query !== undefined && position ? query.split('\n')[position.line - 1] : undefined;
  return (
    <div class="note error" role="alert">
      <Icon name="warn" />
      <div class="note-body">
        <p>{error.message}</p>
        {line !== undefined && position && (
          <pre class="caret">{line}{'\n'}{' '.repeat(Math.max(0, position.column - 1))}^</pre>
        )}
        {status ? <p class="faint">HTTP {status}</p> : null}
      </div>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

/** The frame's banner says it already. */
const isAway = (error: Error) => (error as Partial<ApiError>).status === 0;

/** Shows `children(data)` once there is data; before that, quietly, that it is coming. */
export function Await<T>({ answer, query, children }: {
  answer: Answer<T>; query?: string; children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      {answer.error && !(isAway(answer.error) && answer.data !== undefined) && <ErrorNote error={answer.error} query={query} retry={answer.again} />}
      {answer.data !== undefined
        ? children(answer.data)
        : !answer.error && answer.loading && <Loading show={answer.busy} />}
    </>
  );
}

export function Loading({ show = true }: { show?: boolean }) {
  return <div class="loading" role="status">{show ? 'Loading' : ''}</div>;
}

export function CopyButton({ text, title = 'Copy' }: { text: string; title?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1200);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => {
    navigator.clipboard?.writeText(text).then(() => setDone(true), () => {});
  };
  return <Button kind="ghost" icon={done ? 'check' : 'copy'} title={done ? 'Copied' : title} onClick={copy} />;
}

export function Snippet({ text }: { text: string }) {
  return (
    <div class="snippet">
      <pre>{text}</pre>
      <CopyButton text={text} />
    </div>
  );
}

/** One of a few: a segmented control. */
export function Choice<T extends string>({ label, value, options, onChange }: {
  label: string; value: T; options: readonly (readonly [T, string])[]; onChange: (value: T) => void;
}) {
  return (
    <div class="choice" role="radiogroup" aria-label={label}>
      {options.map(([id, text]) => (
        <button type="button" role="radio" aria-checked={value === id} class={value === id ? 'active' : ''}
          onClick={() => onChange(id)}>{text}</button>
      ))}
    </div>
  );
}

const PALETTE_SIZE = 10;

/** A steady colour (CSS class) for a name such as a service. */
export function colorIndex(name: string): number {
  let h = 2166136261;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  return (h >>> 0) % PALETTE_SIZE;
}

export function Dot({ name }: { name: string }) {
  return <span class={`dot c${colorIndex(name)}`} aria-hidden="true" />;
}
