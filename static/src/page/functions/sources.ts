// Files of a function as an editor has them.

/** Whether bytes are text that can be changed and is then the same again. */
export function isText(bytes: Uint8Array): boolean {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

export const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/** Why a path cannot be a new file's, or nothing. */
export function filePathProblem(path: string, taken: string[]): string | undefined {
  if (path === '') return 'Give it a name.';
  if (path.startsWith('/') || path.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'A path is relative, and leads into no folder above.';
  if (/[\\:*?"<>|\u0000-\u001f]/.test(path)) return 'Leave out \\ : * ? " < > |.';
  if (/(^|\/)\.env/.test(path)) return 'What is secret is set under Secrets, not in a file.';
  return taken.includes(path) ? 'There is such a file.' : undefined;
}
