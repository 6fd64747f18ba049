// What the page's editors have in common: how they look, and the place of an error in them.
import { HighlightStyle } from '@codemirror/language';
import { StateEffect, StateField } from '@codemirror/state';
import { Decoration, EditorView, type DecorationSet } from '@codemirror/view';
import { tags } from '@lezer/highlight';

export const look = EditorView.theme({
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

export const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--page-keyword)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--page-string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--page-number)' },
  { tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--page-name)' },
  { tag: tags.comment, color: 'var(--mantine-color-dimmed)', fontStyle: 'italic' },
]);

/** Marks the place of an error, or none. */
export const setFault = StateEffect.define<number | undefined>();
export const fault = StateField.define<DecorationSet>({
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
