// SPDX-License-Identifier: Apache-2.0
// A query box: a plain text area at once, the real editor as soon as its chunk is here.

import { useEffect, useRef, useState } from 'preact/hooks';

import type { ApiError } from '../state/http';
import type { Editor, EditorOptions } from './editor-impl';

interface Props {
  language: EditorOptions['language'];
  text: string;                       // what was last run; the box follows when it changes
  label: string;
  hint?: string;
  onRun: (text: string) => void;
  onEdit?: (text: string) => void;
  names?: EditorOptions['names'];
  values?: EditorOptions['values'];
  error?: Error;
  main?: boolean;                     // "/" puts the cursor here
}

export function QueryBox(props: Props) {
  const host = useRef<HTMLDivElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const editor = useRef<Editor | null>(null);
  const draft = useRef(props.text);
  const latest = useRef(props);
  latest.current = props;
  const [ready, setReady] = useState(false);

  const edit = (text: string) => {
    draft.current = text;
    latest.current.onEdit?.(text);
  };
  const run = () => latest.current.onRun(draft.current.trim());

  useEffect(() => {
    let gone = false;
    import('./editor-impl').then(({ createEditor }) => {
      if (gone || !host.current) return;
      const focused = document.activeElement === area.current;
      editor.current = createEditor(host.current, {
        language: props.language, text: draft.current, label: props.label, hint: props.hint ?? '',
        onChange: edit, onRun: run,
        names: () => latest.current.names?.() ?? Promise.resolve([]),
        values: (name) => latest.current.values?.(name) ?? Promise.resolve([]),
      });
      setReady(true);
      if (focused) editor.current.focus();
    }, () => { /* the text area goes on working */ });
    return () => {
      gone = true;
      editor.current?.close();
      editor.current = null;
    };
  }, []);

  useEffect(() => {
    if (draft.current === props.text) return;
    draft.current = props.text;
    editor.current?.set(props.text);
    if (area.current) area.current.value = props.text;
  }, [props.text]);

  useEffect(() => {
    const error = props.error as Partial<ApiError> | undefined;
    editor.current?.mark(error?.position ?? null, error?.message ?? '');
  }, [props.error, ready]);

  const focus = () => (editor.current ? editor.current.focus() : area.current?.focus());
  return (
    <div class={`query-box${props.error ? ' invalid' : ''}`} data-main-search={props.main || undefined}
      ref={(el) => { if (el) (el as HTMLDivElement & { focusQuery?: () => void }).focusQuery = focus; }}>
      <div class="query-editor" ref={host} hidden={!ready} />
      {!ready && (
        <textarea ref={area} rows={1} spellcheck={false} aria-label={props.label} placeholder={props.hint}
          defaultValue={draft.current} onInput={(e) => edit(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && !e.shiftKey) {
              e.preventDefault();
              run();
            }
          }} />
      )}
    </div>
  );
}
