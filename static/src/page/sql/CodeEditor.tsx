// CodeMirror with Postgres's SQL, told what to do by plain properties.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, toggleComment } from '@codemirror/commands';
import { PostgreSQL, sql } from '@codemirror/lang-sql';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, Prec, StateEffect, StateField } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder, type DecorationSet } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useImperativeHandle, useRef, type Ref } from 'react';

export interface EditorHandle {
  /** The selection, or everything; with where it begins. */
  chosen: () => { text: string; offset: number };
  replace: (text: string) => void;
  /** Marks the place of an error and brings it into view; nothing marks nothing. */
  mark: (offset: number | undefined) => void;
  /** Puts the cursor at the marked place. */
  goTo: (offset: number) => void;
}

interface Props {
  ref: Ref<EditorHandle>;
  initial: string;
  label: string;
  /** Table names and their columns, for completion. */
  schema: Record<string, string[]>;
  onChange: (text: string) => void;
  onRun: () => void;
}

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '13px', backgroundColor: 'transparent', color: 'var(--mantine-color-text)' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--mantine-color-text)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--mantine-color-dimmed)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--page-active)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--page-selection)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--page-selection)' },
  '.cm-placeholder': { color: 'var(--mantine-color-placeholder)' },
  '.cm-tooltip, .cm-panels': { backgroundColor: 'var(--page-surface)', color: 'var(--mantine-color-text)', border: '1px solid var(--mantine-color-default-border)' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--page-selection)', color: 'var(--mantine-color-text)' },
  '.cm-fault': { textDecoration: 'underline wavy var(--page-bad)', textDecorationSkipInk: 'none', textUnderlineOffset: '3px' },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--page-keyword)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--page-string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--page-number)' },
  { tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--page-name)' },
  { tag: tags.comment, color: 'var(--mantine-color-dimmed)', fontStyle: 'italic' },
]);

const setFault = StateEffect.define<number | undefined>();
const fault = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = transaction.docChanged ? Decoration.none : marks;
    for (const effect of transaction.effects) {
      if (!effect.is(setFault)) continue;
      if (effect.value === undefined) next = Decoration.none;
      else {
        const at = Math.min(effect.value, transaction.newDoc.length);
        const word = /^\s*("[^"]*"|'[^']*'|[\w$.]+|\S)/.exec(transaction.newDoc.sliceString(at, at + 200))?.[0] ?? '';
        const from = word ? at : Math.max(0, at - 1);
        const to = Math.min(transaction.newDoc.length, at + Math.max(word.length, 1));
        next = from < to ? Decoration.set(Decoration.mark({ class: 'cm-fault' }).range(from, to)) : Decoration.none;
      }
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const dialect = (schema: Record<string, string[]>) => sql({ dialect: PostgreSQL, schema, upperCaseKeywords: false });

export default function CodeEditor({ ref, initial, label, schema, onChange, onRun }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const language = useRef(new Compartment());
  // The editor is made once; it calls whatever the last render gave.
  const calls = useRef({ onChange, onRun });
  calls.current = { onChange, onRun };

  useEffect(() => {
    const run = () => {
      calls.current.onRun();
      return true;
    };
    const editor = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: initial,
        extensions: [
          Prec.highest(keymap.of([{ key: 'Mod-Enter', run }, { key: 'Mod-/', run: toggleComment }])),
          lineNumbers(), highlightActiveLine(), highlightActiveLineGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
          autocompletion({ icons: false }), highlightSelectionMatches(), syntaxHighlighting(colours), look, fault, EditorView.lineWrapping, placeholder('select * from …'),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...defaultKeymap]),
          language.current.of(dialect(schema)),
          EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
    // Made once: later properties reach it through `calls` and the effects below.
  }, []);

  useEffect(() => view.current?.dispatch({ effects: language.current.reconfigure(dialect(schema)) }), [schema]);

  useImperativeHandle(ref, () => ({
    chosen: () => {
      const state = view.current!.state;
      const { from, to, empty } = state.selection.main;
      return empty ? { text: state.doc.toString(), offset: 0 } : { text: state.sliceDoc(from, to), offset: from };
    },
    replace: (text) => {
      const editor = view.current!;
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, selection: { anchor: text.length } });
      editor.focus();
    },
    mark: (offset) => view.current?.dispatch({ effects: setFault.of(offset) }),
    goTo: (offset) => {
      const editor = view.current!;
      editor.dispatch({ selection: { anchor: Math.min(offset, editor.state.doc.length) }, scrollIntoView: true });
      editor.focus();
    },
  }), []);

  return <div className="editor" ref={place} />;
}
