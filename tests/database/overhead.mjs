// What the port and the queue cost: an exchange through them against the bare session.
//   node tests/database/overhead.mjs [rounds]
import { Client, concat, extended, openPostgres, serve, session, sync } from './harness.mjs';

const rounds = Number(process.argv[2] ?? 3000);
const pglite = await openPostgres({ dataDir: 'memory://' });
const bare = session(pglite);
const client = new Client(serve(pglite).database);
await client.opened;

const time = async (run) => {
  const times = [];
  for (let round = -rounds / 10; round < rounds; round++) {
    const started = performance.now();
    await run();
    if (round >= 0) times.push((performance.now() - started) * 1000);
  }
  times.sort((one, other) => one - other);
  return [0.5, 0.95].map((share) => Math.round(times[Math.floor(rounds * share)]));
};
const port = async () => {
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data }) => port2.postMessage(data, [data]);
  const echo = (buffer) => new Promise((resolve) => {
    port1.onmessage = resolve;
    port1.postMessage(buffer, [buffer]);
  });
  const figures = await time(() => echo(new ArrayBuffer(200)));
  port1.close();
  return figures;
};

const small = concat([extended('select 1'), sync()]);
const large = concat([extended("select repeat('x', 1000) from generate_series(1, 1000)"), sync()]);
console.log('microseconds, p50 and p95');
console.log('a port alone, there and back     ', ...(await port()));
console.log('select 1: bare session           ', ...(await time(async () => bare.exec(small))));
console.log('select 1: port and queue         ', ...(await time(() => client.exchange(small))));
console.log('1 MB: bare session               ', ...(await time(async () => bare.exec(large))));
console.log('1 MB: port and queue             ', ...(await time(() => client.exchange(large))));
const started = performance.now();
await Promise.all(Array.from({ length: rounds }, () => client.exchange(small)));
console.log('select 1, all at once, each      ', Math.round((performance.now() - started) * 1000 / rounds));
client.goodbye();
await pglite.close();
