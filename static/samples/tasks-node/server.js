// Tasks out of a Postgres table, through the project's API at localhost:5173: whoever asks sees what row-level security
// lets them see.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createClient } from '@supabase/supabase-js';

const { PORT = '3000', SUPABASE_URL, SUPABASE_ANON_KEY } = process.env;

const supabase = createClient(SUPABASE_URL, SUPABASE_ANON_KEY, {
  auth: { persistSession: false, autoRefreshToken: false },
  // Node 20 has no WebSocket, and this app has no use for one.
  realtime: { transport: class {} },
});

/** The gateway puts the visitor's own token on every request to an app: what is asked with it, the visitor asks. */
const as = (request, query) => (request.headers.authorization ? query.setHeader('Authorization', request.headers.authorization) : query);

const tasks = (request) => as(request, supabase.from('sample_tasks').select('id, title, open').order('id')).throwOnError();

const routes = {
  'GET /': async (request, response) => {
    const { data } = await tasks(request);
    html(response, 200, page(data));
  },
  'GET /api/tasks': async (request, response) => {
    const { data } = await tasks(request);
    json(response, 200, data);
  },
  'POST /tasks': async (request, response) => {
    const title = new URLSearchParams(String(await body(request))).get('title');
    const { error } = await as(request, supabase.from('sample_tasks').insert({ title }));
    if (error) return html(response, 403, page([], `The database refused: ${error.message}`));
    response.writeHead(303, { location: './' }).end();
  },
  'GET /api/health': (_request, response) => json(response, 200, { ok: true, pid: process.pid }),
  'POST /api/hash': async (request, response) => {
    const bytes = await body(request);
    json(response, 200, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  },
  /** One event a second, for as long as somebody listens. */
  'GET /api/clock': (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const tick = () => response.write(`data: ${new Date().toISOString()}\n\n`);
    tick();
    const timer = setInterval(tick, 1_000);
    response.once('close', () => {
      clearInterval(timer);
      console.log('a listener of the clock has gone');
    });
  },
  /** Ends the process, to show that it is started again. */
  'POST /api/crash': (_request, response) => {
    console.error('asked to crash');
    response.once('finish', () => process.exit(7));
    json(response, 202, { crashing: true });
  },
};

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://app');
  console.log(`${request.method} ${pathname}`);
  try {
    const answer = routes[`${request.method} ${pathname}`];
    if (answer) await answer(request, response);
    else json(response, 404, { message: `There is no ${request.method} ${pathname} here` });
  } catch (error) {
    console.error(error);
    if (response.headersSent) response.destroy(error);
    else json(response, 500, { message: error.message });
  }
});
server.listen(Number(PORT), () => console.log(`tasks: listening on ${PORT}`));

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`);
}

function html(response, status, text) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(text);
}

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const page = (rows, fault = '') => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tasks</title>
<style>
  :root { color-scheme: light dark }
  body { max-width: 38rem; margin: 0 auto; padding: 2rem 1.25rem; font: 1rem/1.6 system-ui, sans-serif }
  form { display: flex; gap: .5rem } input { flex: 1; font: inherit } button { font: inherit }
  .fault { color: light-dark(#b42318, #ff8f85) }
</style>
<h1>Tasks</h1>
<p>Read by Node ${process.version} in the VM, with supabase-js, from the table <code>sample_tasks</code>.</p>
${fault && `<p class="fault" role="alert">${escaped(fault)}</p>`}
<ul>${rows.map(({ title, open }) => `<li>${escaped(title)}${open ? '' : ' (yours)'}</li>`).join('')}</ul>
<form method="post" action="tasks"><input name="title" aria-label="A new task" placeholder="A new task" required maxlength="200"><button>Add</button></form>
<p><a href="api/tasks">The same as JSON</a></p>
</html>`;
