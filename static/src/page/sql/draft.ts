// A text on its way to the editor from elsewhere on the page.
let draft: string | undefined;
const arrival = new EventTarget();

/** Opens the editor with `text` in it. */
export function openInEditor(text: string): void {
  draft = text;
  location.hash = '#/sql';
  arrival.dispatchEvent(new Event('draft'));
}

export function takeDraft(): string | undefined {
  const taken = draft;
  draft = undefined;
  return taken;
}

export function onDraft(listener: () => void): () => void {
  arrival.addEventListener('draft', listener);
  return () => arrival.removeEventListener('draft', listener);
}
