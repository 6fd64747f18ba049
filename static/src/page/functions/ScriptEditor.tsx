// CodeMirror with TypeScript and what functions are written with, told what to do by plain properties.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab, toggleComment } from '@codemirror/commands';
import { javascript, javascriptLanguage, jsxLanguage, localCompletionSource, tsxLanguage, typescriptLanguage } from '@codemirror/lang-javascript';
import { json } from '@codemirror/lang-json';
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState, Prec, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import { colours, fault, look, setFault } from '../parts/editor.ts';
import { offer } from './completions.ts';
import { typing } from './typing.ts';

interface Props {
  path: string;
  initial: string;
  /** The function's other files, to be imported, and the text of all that are text. */
  files: string[];
  sources: Record<string, string>;
  /** Where something is wrong: line and column from 1. */
  wrong: { line: number; column: number; at: number } | undefined;
  onChange: (text: string) => void;
  onSave: () => void;
}

function language(path: string, files: () => string[], sources: () => Record<string, string>): Extension {
  if (/\.jsonc?$/.test(path)) return json();
  if (!/\.[mc]?[jt]sx?$/.test(path)) return [];
  const names = offer(files);
  const { offers, extension } = typing(path, sources, (context) => names(context) ?? localCompletionSource(context));
  const offered = [javascriptLanguage, jsxLanguage, typescriptLanguage, tsxLanguage].map((one) => one.data.of({ autocomplete: offers }));
  return [javascript({ typescript: /\.[mc]?tsx?$/.test(path), jsx: /x$/.test(path) }).language, offered, extension];
}

/** One file's: another file is another editor. */
export default function ScriptEditor({ path, initial, files, sources, wrong, onChange, onSave }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  // The editor is made once; it calls whatever the last render gave.
  const calls = useRef({ onChange, onSave, files, sources });
  calls.current = { onChange, onSave, files, sources };

  useEffect(() => {
    const save = () => {
      calls.current.onSave();
      return true;
    };
    const editor = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: initial,
        extensions: [
          Prec.highest(keymap.of([{ key: 'Mod-s', run: save, preventDefault: true }, { key: 'Mod-/', run: toggleComment }])),
          lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
          autocompletion({ icons: false }), highlightSelectionMatches(), syntaxHighlighting(colours), look, fault,
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...defaultKeymap, indentWithTab]),
          language(path, () => calls.current.files, () => calls.current.sources),
          // Tab indents, so a way out by the keyboard is told: Escape, then Tab (CodeMirror's own).
          EditorView.contentAttributes.of({ 'aria-label': `${path}. Escape and then Tab leaves the editor.`, spellcheck: 'false', tabindex: '0' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
    // Made once: later properties reach it through `calls` and the effect below.
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const line = wrong && wrong.line <= editor.state.doc.lines ? editor.state.doc.line(wrong.line) : undefined;
    const at = line && wrong ? Math.min(line.to, line.from + wrong.column - 1) : undefined;
    editor.dispatch({ effects: setFault.of(at), ...(at !== undefined && { selection: { anchor: at }, scrollIntoView: true }) });
    if (at !== undefined) editor.focus();
  }, [wrong]);

  return <div className="editor" ref={place} />;
}
