// What is wrong with a function's source, in words for whoever wrote it.

export interface Problem {
  message: string;
  /** Path of the file as it was given, or the name of a package's file. */
  file?: string;
  /** From 1. */
  line?: number;
  /** From 1, in UTF-16 units. */
  column?: number;
  /** The line itself. */
  source?: string;
}

/** The function cannot be bundled. `problems` are all that were found; the message is all of them, one a line. */
export class NotBundled extends Error {
  constructor(readonly problems: Problem[]) {
    super(problems.map(shown).join('\n'));
    this.name = 'NotBundled';
  }
}

/** One thing that is wrong: whoever resolves or reads a module throws it, and the place is added above. */
export class Fault extends Error {}

/** `index.ts:3:22: message`. */
export function shown({ message, file, line, column }: Problem): string {
  if (!file) return message;
  return `${file}${line === undefined ? '' : `:${line}:${column}`}: ${message}`;
}
