// SPDX-License-Identifier: Apache-2.0
// The query editor itself (CodeMirror), a chunk of its own that loads when a box is first shown.
// It lives in a shadow root, where its style sheets are adopted ones: no inline style, strict CSP.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion,
         type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting, type StringStream } from '@codemirror/language';
import { linter, setDiagnostics } from '@codemirror/lint';
import { EditorState, Prec, type Extension } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';

export type Language = 'promql' | 'logql' | 'traceql';

export interface EditorOptions {
  language: Language;
  text: string;
  label: string;
  hint: string;
  onChange: (text: string) => void;
  onRun: () => void;
  names?: () => Promise<string[]>;                  // labels or attributes to complete
  values?: (name: string) => Promise<string[]>;     // values of one of them
}

export interface Editor {
  set: (text: string) => void;
  focus: () => void;
  mark: (position: { line: number; column: number } | null, message: string) => void;
  close: () => void;
}

const look = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'transparent', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '6px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 8px' },
  '.cm-scroller': { lineHeight: '20px', maxHeight: '160px', overflow: 'auto' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection': { backgroundColor: 'var(--select) !important' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--select)', outline: 'none' },
  '.cm-tooltip': { background: 'var(--surface)', border: '1px solid var(--line)', borderRadius: '6px', boxShadow: 'var(--shadow)', overflow: 'hidden' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '260px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px', lineHeight: '18px', color: 'var(--text)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': { background: 'var(--accent-soft)', color: 'var(--text)' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)', fontWeight: '600' },
  '.cm-completionInfo': { padding: '8px', maxWidth: '320px', color: 'var(--muted)' },
  '.cm-diagnostic': { padding: '6px 10px', borderLeft: '3px solid var(--bad)' },
});

const colors = syntaxHighlighting(HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--syn-key)' },
  { tag: [tags.function(tags.variableName), tags.function(tags.name)], color: 'var(--syn-fn)' },
  { tag: [tags.labelName, tags.propertyName], color: 'var(--syn-name)' },
  { tag: tags.string, color: 'var(--syn-str)' },
  { tag: [tags.number, tags.literal], color: 'var(--syn-num)' },
  { tag: tags.comment, color: 'var(--faint)' },
  { tag: tags.invalid, color: 'var(--bad)' },
]));

const LOG_WORDS = [
  'json', 'logfmt', 'pattern', 'regexp', 'line_format', 'label_format', 'unwrap', 'decolorize', 'drop', 'keep',
];
const LOG_FUNCTIONS = ['rate', 'count_over_time', 'bytes_over_time', 'bytes_rate', 'sum', 'avg', 'min', 'max', 'count', 'topk'];
const SHARED_WORDS = ['by', 'without', 'and', 'or', 'unless'];
const TRACE_INTRINSICS = [
  'name', 'status', 'kind', 'duration', 'traceDuration', 'rootName', 'rootServiceName', 'statusMessage',
];
const TRACE_WORDS = ['select', 'count', 'avg', 'min', 'max', 'sum', 'rate', 'by', 'error', 'ok', 'unset', 'nil', 'true',
                     'false', 'server', 'client', 'producer', 'consumer', 'internal'];

function tokens(words: string[], functions: string[], names: string[]) {
  return (stream: StringStream): string | null => {
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return 'comment';
    if (stream.match(/^"(?:[^"\\]|\\.)*"?|^`[^`]*`?/)) return 'string';
    if (stream.match(/^\d+(\.\d+)?([a-zµ]+)?/)) return 'number';
    const word = stream.match(/^[.a-zA-Z_][\w.:-]*/) as RegExpMatchArray | null;
    if (word) {
      if (functions.includes(word[0])) return 'variableName.function';
      if (words.includes(word[0])) return 'keyword';
      return names.includes(word[0]) || /[.=]/.test(word[0]) || stream.match(/^\s*(=|!|>|<)/, false) ? 'propertyName' : null;
    }
    stream.next();
    return null;
  };
}

const streamLanguage = (language: Language): Extension => StreamLanguage.define({
  name: language,
  token: language === 'logql'
    ? tokens([...LOG_WORDS, ...SHARED_WORDS], LOG_FUNCTIONS, [])
    : tokens(TRACE_WORDS, [], TRACE_INTRINSICS),
});

/** Values after `name="`, names inside braces or after a pipe, functions elsewhere. */
function completer(options: EditorOptions) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const before = context.state.sliceDoc(0, context.pos);
    const value = /([\w.:-]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(before);
    if (value && options.values) {
      const found = await options.values(value[1]!).catch(() => []);
      return { from: context.pos - value[2]!.length, options: found.slice(0, 500).map((v) => ({ label: v, type: 'text' })) };
    }
    const word = context.matchBefore(/[.\w][\w.:-]*/);
    if (!word && !context.explicit && !/[{,|(&]\s*$/.test(before)) return null;
    const inBraces = before.lastIndexOf('{') > before.lastIndexOf('}');
    const names = await options.names?.().catch(() => []) ?? [];
    const list = options.language === 'logql'
      ? (inBraces ? names : [...LOG_WORDS, ...LOG_FUNCTIONS, ...(/\|[^|]*$/.test(before) ? names : [])])
      : (inBraces ? [...TRACE_INTRINSICS, ...names] : ['select', 'count', 'avg', 'by']);
    return {
      from: word ? word.from : context.pos, validFor: /^[\w.:-]*$/,
      options: list.map((label) => ({ label, type: names.includes(label) ? 'property' : 'keyword' })),
    };
  };
}

function languageOf(options: EditorOptions): Extension[] {
  if (options.language === 'promql') {
    const prom = new PromQLExtension();
    prom.setComplete({ remote: { url: location.origin, httpMethod: 'GET', cache: { maxAge: 30000 } } });
    return [prom.asExtension(), autocompletion({ icons: false })];
  }
  return [streamLanguage(options.language), linter(null),
          autocompletion({ override: [completer(options)], icons: false })];
}

export function createEditor(host: HTMLElement, options: EditorOptions): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  root.replaceChildren();
  const run = { key: 'Enter', run: () => { options.onRun(); return true; } };
  const view = new EditorView({
    root, parent: root,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        look, colors, history(), bracketMatching(), closeBrackets(), EditorView.lineWrapping,
        placeholder(options.hint), ...languageOf(options),
        EditorView.contentAttributes.of({ 'aria-label': options.label }),
        Prec.high(keymap.of([...completionKeymap])),
        Prec.low(keymap.of([run, { key: 'Ctrl-Space', run: startCompletion },
                            { key: 'Escape', run: (v) => { v.contentDOM.blur(); return true; } },
                            ...closeBracketsKeymap, ...historyKeymap,
                            { key: 'Shift-Enter', run: (v) => { v.dispatch(v.state.replaceSelection('\n')); return true; } }])),
        keymap.of(defaultKeymap.filter((k) => k.key !== 'Enter' && k.key !== 'Escape')),
        EditorView.updateListener.of((u) => { if (u.docChanged) options.onChange(u.state.doc.toString()); }),
      ],
    }),
  });
  return {
    set: (text) => {
      if (text !== view.state.doc.toString()) {
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      }
    },
    focus: () => view.focus(),
    mark: (position, message) => {
      const line = position && position.line <= view.state.doc.lines ? view.state.doc.line(position.line) : null;
      const at = line ? Math.min(line.from + position!.column - 1, line.to) : 0;
      view.dispatch(setDiagnostics(view.state, line
        ? [{ from: at, to: Math.min(at + 1, view.state.doc.length), severity: 'error', message }] : []));
    },
    close: () => view.destroy(),
  };
}
