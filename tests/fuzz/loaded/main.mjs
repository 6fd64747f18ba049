// Asks a loaded database whatever can be asked, for as long as told:
//
//   node tests/fuzz/loaded/main.mjs --minutes 60 --seed 1            findings are printed, one JSON a line
//   node tests/fuzz/loaded/main.mjs --seed 1 --only 4711             one request again
//
// It needs `cargo xtask build` and the conformance corpus.
import { fork } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { corpusDirectory } from '../../conformance/database.mjs';

/** How long one request may hold its process up, in milliseconds. */
const patience = 60_000;

/**
 * Runs requests `from` to `to` of a seed in a process of their own.
 *
 * @returns what was found, how many answers there were by code, and where it ended
 */
export function storm({ seed, from, to, print = () => undefined }) {
  return new Promise((resolve) => {
    const child = fork(path.join(import.meta.dirname, 'storm.mjs'), [JSON.stringify({ seed, from, to })], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    const outcome = { findings: [], tally: {}, next: to };
    let begun = from;
    let finished = false;
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => { stderr = (stderr + text).slice(-4000); });
    const found = (finding) => { outcome.findings.push(finding); print(finding); };
    let clock;
    const wait = () => {
      clearTimeout(clock);
      clock = setTimeout(() => { found({ number: begun, said: [`no answer in ${patience} ms`] }); child.kill('SIGKILL'); }, patience);
    };
    child.on('message', (message) => {
      wait();
      if (message.begun !== undefined) begun = message.begun;
      if (message.finding) found(message.finding);
      if (message.done) { finished = true; outcome.tally = message.done; }
    });
    child.on('close', (code) => {
      clearTimeout(clock);
      if (!finished) {
        if (code !== null) found({ number: begun, said: [`the process ended with ${code}: ${stderr}`] });
        outcome.next = begun + 1;
      }
      resolve(outcome);
    });
    wait();
  });
}

if (process.argv[1] === import.meta.filename) {
  if (corpusDirectory() === null) {
    console.error('The corpus is not on this machine: ../shared/conformance/postgrest is missing.');
    process.exit(1);
  }
  const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string', default: '1' }, from: { type: 'string', default: '0' }, only: { type: 'string' } } });
  const seed = Number(values.seed);
  const print = (finding) => console.log(JSON.stringify(finding));
  if (values.only !== undefined) {
    const outcome = await storm({ seed, from: Number(values.only), to: Number(values.only) + 1, print });
    console.log(outcome.tally);
    process.exit(outcome.findings.length > 0 ? 1 : 0);
  }
  const end = Date.now() + Number(values.minutes ?? 1) * 60_000;
  const tally = {};
  let findings = 0;
  // A fresh database every so often: what a request leaves behind is left behind then.
  for (let from = Number(values.from); Date.now() < end; ) {
    const outcome = await storm({ seed, from, to: from + 20_000, print });
    for (const [code, count] of Object.entries(outcome.tally)) tally[code] = (tally[code] ?? 0) + count;
    findings += outcome.findings.length;
    from = outcome.next;
    console.error(`${from} requests, ${findings} findings`);
  }
  console.log(JSON.stringify({ seed, findings, tally }));
  process.exit(findings > 0 ? 1 : 0);
}
