// What was thrown, in words.

/** Emscripten throws objects that are no errors: some with a message, some with a name and a number only. */
export function text(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { message, name, errno } = error as { message?: unknown; name?: unknown; errno?: unknown };
  if (typeof message === 'string' && message !== '') return message;
  return errno === undefined ? JSON.stringify(error) : `${String(name)} ${String(errno)}.`;
}
