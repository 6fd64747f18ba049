// CodeMirror with Postgres's SQL, told what to do by plain properties.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, toggleComment } from '@codemirror/commands';
import { PostgreSQL, sql } from '@codemirror/lang-sql';
import { bracketMatching, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder } from '@codemirror/view';
import { useEffect, useImperativeHandle, useRef, type Ref } from 'react';
import { colours, fault, look, setFault } from '../parts/editor.ts';

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
