// A Postgres session over standard input and output, for tests in Rust: PGlite with the statements of a file in it.
// Each exchange is a length (four bytes, big-endian) and that many bytes, in both directions.
//   node tests/schema/session.mjs FILE.sql
import fs from 'node:fs';
import { PGlite } from '@electric-sql/pglite';

const file = process.argv[2];
const database = await PGlite.create();
try {
  await database.exec(fs.readFileSync(file, 'utf8'));
} catch (error) {
  // The error itself shows with all of PGlite's source.
  console.error(`${file}: ${error.message}`);
  process.exit(1);
}
let received = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
    const end = 4 + received.readUInt32BE();
    const answer = database.execProtocolRawSync(received.subarray(4, end));
    received = received.subarray(end);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(answer.length);
    process.stdout.write(length);
    // The answer's memory may be PGlite's own, which the next exchange writes over.
    process.stdout.write(Buffer.from(answer));
  }
}
await database.close();
