// Floor 2's database worker: nothing but Postgres and a port.
import { open } from './shared';
const opening = open();
onmessage = async (event) => {
  const pg = await opening;
  const port = event.ports[0]!;
  port.onmessage = async ({ data: [id, bytes] }) => {
    const answer = await pg.execProtocolRaw(new Uint8Array(bytes));
    port.postMessage([id, answer.buffer], [answer.buffer as ArrayBuffer]);
  };
  postMessage('open');
};
