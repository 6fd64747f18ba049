// What the benchmark asks in a guest, ours and the peer's: Node without a framework.
const { createServer } = require('node:http');

const chunk = Buffer.alloc(65536);

/** Milliseconds of each of some requests to the project's API, one after the other. */
async function ask(path, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const answer = await fetch(process.env.SUPABASE_URL + path, { headers: { apikey: process.env.SUPABASE_ANON_KEY } });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${answer.status} for ${path}`);
    times.push(performance.now() - start);
  }
  return times;
}

const answers = {
  '/small': async (request, response) => response.end('small\n'),
  '/large': async (request, response, url) => {
    let left = Number(url.searchParams.get('bytes'));
    response.setHeader('content-length', left);
    while (left > 0) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!response.write(part)) await new Promise((resolve) => response.once('drain', resolve));
    }
    response.end();
  },
  '/sink': async (request, response) => {
    let length = 0;
    for await (const part of request) length += part.length;
    response.end(String(length));
  },
  '/ask': async (request, response, url) => response.end(JSON.stringify(await ask(url.searchParams.get('path'), Number(url.searchParams.get('count'))))),
};

const port = Number(process.env.PORT);
createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  answers[url.pathname](request, response, url).catch((error) => response.writeHead(500).end(String(error)));
}).listen(port, () => console.log(`listening on ${port}`));
