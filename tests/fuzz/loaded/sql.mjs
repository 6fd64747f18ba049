// What a statement is made of: enough of Postgres's lexer to say where text from a request may stand.
//
// Source: Postgres's manual, "Lexical Structure"; standard_conforming_strings is on.

const patterns = [
  ['space', /\s+/y],
  ['comment', /--[^\n]*|\/\*/y],
  ['identifier', /"(?:[^"]|"")*"/y],
  ['escaped string', /[eE]'(?:[^'\\]|\\.|'')*'/y],
  ['string', /'(?:[^']|'')*'/y],
  ['parameter', /\$\d+/y],
  ['word', /[\p{L}_][\p{L}\p{N}_$]*/uy],
  ['number', /\d+(?:\.\d+)?/y],
  ['operator', /[-+*/<>=~!@#%^&|`?]+|::|:=|[()[\].,:]/y],
];

/** The tokens of a statement, without space; one of the kind `other` is nothing that Postgres knows. */
export function tokens(sql) {
  const found = [];
  for (let at = 0; at < sql.length; ) {
    let token = { kind: 'other', text: sql[at] };
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at;
      const match = pattern.exec(sql);
      if (match) {
        token = { kind, text: match[0] };
        break;
      }
    }
    at += token.text.length;
    if (token.kind !== 'space') found.push(token);
  }
  return found;
}

const rust = /\/\/.*|'(?:[^'\\]|\\.)'|"((?:[^"\\]|\\[\s\S])*)"/g;

/** Text in double quotes in Rust's source; a backslash before a line's end takes the end and the indentation away. */
export function literals(source) {
  const texts = [...source.matchAll(rust)].map(([, text]) => text).filter((text) => text !== undefined);
  return texts.map((text) =>
    text.replaceAll(/\\(\r?\n\s*|[\s\S])/g, (_, escaped) => {
      if (/^\r?\n/.test(escaped)) return '';
      return { n: '\n', t: '\t', 0: '\0' }[escaped] ?? escaped;
    }),
  );
}

const mayStand = new Set(['comment', 'word', 'string', 'escaped string', 'operator', 'number']);

/** Words, strings, numbers and operators by which statements may be written. */
export class Vocabulary {
  #texts = new Set();

  /** Adds what is in a piece of SQL; pieces may be cut anywhere but within a token. */
  add(sql) {
    for (const { kind, text } of tokens(sql)) if (mayStand.has(kind)) this.#texts.add(text);
  }

  /** The tokens of a statement that stand outside identifiers and parameters and that nobody added. */
  foreign(sql) {
    return tokens(sql).filter(({ kind, text }) => {
      if (kind === 'identifier' || kind === 'parameter') return false;
      // A position in the select list, in GROUP BY.
      if (kind === 'number' && Number(text) < 1000) return false;
      return !this.#texts.has(text);
    });
  }
}

/** The statements in messages to Postgres: of Parse, which takes one, and of Query, which takes several. */
export function* statements(messages) {
  const bytes = Buffer.from(messages.buffer, messages.byteOffset, messages.byteLength);
  const text = (from) => bytes.toString('utf8', from, bytes.indexOf(0, from));
  for (let at = 0; at + 5 <= bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    const kind = String.fromCharCode(bytes[at]);
    if (kind === 'Q') yield* text(at + 5).split(';');
    if (kind === 'P') yield text(bytes.indexOf(0, at + 5) + 1);
  }
}
