// What TypeScript says while one writes: a worker is asked, which is started with the first editor.
import { type Completion, type CompletionContext, type CompletionResult, type CompletionSource } from '@codemirror/autocomplete';
import { linter } from '@codemirror/lint';
import type { Extension } from '@codemirror/state';
import { EditorView, hoverTooltip } from '@codemirror/view';
import type { Ask, Offer, Told, Wrong } from '../../functions/types/service.ts';

type Asked = Ask extends infer One ? (One extends Ask ? Omit<One, 'ask'> : never) : never;

let worker: Worker | undefined;
let last = 0;
let ready = false;
const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

function ask<Value>(asked: Asked): Promise<Value> {
  if (!worker) {
    worker = new Worker(new URL(FUNCTION_TYPES_WORKER, import.meta.url), { type: 'module', name: 'types' });
    worker.onmessage = ({ data: { ask: number, value, error } }: MessageEvent<{ ask: number; value?: unknown; error?: string }>) => {
      const one = waiting.get(number);
      waiting.delete(number);
      ready = true;
      if (error === undefined) one?.resolve(value as never);
      else one?.reject(new Error(error));
    };
    // Without it the editor still knows the names in `completions.ts`.
    worker.onerror = () => {
      for (const one of waiting.values()) one.reject(new Error('TypeScript did not load.'));
      waiting.clear();
    };
  }
  return new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    worker!.postMessage({ ...asked, ask: last });
  });
}

/** What TypeScript calls a thing, as the editor does. */
const kinds: Record<string, string> = { method: 'method', function: 'function', 'local function': 'function', property: 'property', getter: 'property', setter: 'property', class: 'class', interface: 'interface', type: 'type', enum: 'enum', const: 'constant', let: 'variable', var: 'variable', 'local var': 'variable', parameter: 'variable', alias: 'variable', module: 'namespace', keyword: 'keyword', string: 'text' };

export interface Typing { offers: CompletionSource; extension: Extension }

/** `sources` are the function's files as they are now, the one at `path` among them. */
export function typing(path: string, sources: () => Record<string, string>, otherwise: CompletionSource): Typing {
  const tell = (text: string) => ask<void>({ kind: 'update', files: { ...sources(), [path]: text } });
  const offers = async (context: CompletionContext): Promise<CompletionResult | null> => {
    const text = context.state.doc.toString();
    const known = await otherwise(context);
    // Specifiers TypeScript does not know; and until it is there, names are better than nothing.
    const importing = /(?:\bfrom|\bimport)\s*\(?\s*['"][^'"]*$/.test(context.state.doc.lineAt(context.pos).text.slice(0, context.pos - context.state.doc.lineAt(context.pos).from));
    if (!ready || importing) return known;
    const word = context.matchBefore(/[\w$]*/);
    const from = word?.from ?? context.pos;
    const isMember = text[from - 1] === '.';
    if (from === context.pos && !isMember && !context.explicit) return null;
    try {
      void tell(text);
      const found = await ask<Offer[]>({ kind: 'offers', path, at: context.pos });
      if (context.aborted) return null;
      if (found.length === 0) return known;
      const options = found.map(({ label, kind, sort }): Completion => ({
        label,
        ...(kinds[kind] && { type: kinds[kind] }),
        // TypeScript's order: what is nearest first, what is deprecated last.
        boost: 50 - Number.parseInt(sort, 10) || 0,
        info: async () => {
          const more = await ask<Omit<Told, 'from' | 'to'> | undefined>({ kind: 'details', path, at: context.pos, label }).catch(() => undefined);
          return more ? described(more) : null;
        },
      }));
      return { from, options, validFor: /^[\w$]*$/ };
    } catch {
      return known;
    }
  };
  const hover = hoverTooltip(async (view, at) => {
    void tell(view.state.doc.toString());
    const told = await ask<Told | undefined>({ kind: 'told', path, at }).catch(() => undefined);
    return told ? { pos: told.from, end: told.to, create: () => ({ dom: described(told) }) } : null;
  });
  const lint = linter(async (view: EditorView) => {
    const text = view.state.doc.toString();
    void tell(text);
    const wrong = await ask<Wrong[]>({ kind: 'wrong', path }).catch(() => []);
    const length = view.state.doc.length;
    return wrong.map(({ from, to, message, severity }) => ({ from: Math.min(from, length), to: Math.min(to, length), message, severity }));
  }, { delay: 600 });
  // Asked at once, so that it is there when something is written.
  void ask<void>({ kind: 'update', files: sources() }).catch(() => undefined);
  return { offers, extension: [hover, lint] };
}

function described({ signature, documentation }: { signature: string; documentation: string }): HTMLElement {
  const box = document.createElement('div');
  box.className = 'script-told';
  const code = document.createElement('code');
  // Types may be pages long.
  code.textContent = signature.length > 600 ? `${signature.slice(0, 600)}…` : signature;
  box.append(code);
  if (documentation) {
    const text = document.createElement('p');
    text.textContent = documentation.length > 600 ? `${documentation.slice(0, 600)}…` : documentation;
    box.append(text);
  }
  return box;
}
