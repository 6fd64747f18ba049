// Functions to begin with.

export interface Template { title: string; text: string; files: Record<string, string> }

const cors = `export const corsHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'authorization, x-client-info, apikey, content-type',
};
`;

export const templates: Record<string, Template> = {
  hello: {
    title: 'Hello',
    text: 'Reads JSON, answers JSON.',
    files: {
      'index.ts': `import 'jsr:@supabase/functions-js/edge-runtime.d.ts';

Deno.serve(async (request) => {
  const { name = 'world' } = await request.json().catch(() => ({}));
  console.log('saying hello to', name);
  return Response.json({ message: \`Hello \${name}!\` });
});
`,
    },
  },
  table: {
    title: 'A table, as the caller',
    text: 'supabase-js with the caller’s token: row-level security holds.',
    files: {
      'cors.ts': cors,
      'index.ts': `import { createClient } from 'jsr:@supabase/supabase-js@2';
import { corsHeaders } from './cors.ts';

Deno.serve(async (request) => {
  if (request.method === 'OPTIONS') return new Response('ok', { headers: corsHeaders });

  const supabase = createClient(Deno.env.get('SUPABASE_URL')!, Deno.env.get('SUPABASE_ANON_KEY')!, {
    global: { headers: { Authorization: request.headers.get('Authorization')! } },
  });
  const { data, error } = await supabase.from('products').select('*').limit(10);
  if (error) return Response.json({ error: error.message }, { status: 400, headers: corsHeaders });
  return Response.json(data, { headers: corsHeaders });
});
`,
    },
  },
  router: {
    title: 'A router',
    text: 'Several paths in one function, with Hono.',
    files: {
      'deno.json': `{
  "imports": {
    "hono": "jsr:@hono/hono@4"
  }
}
`,
      'index.ts': `import { Hono } from 'hono';
import { cors } from 'hono/cors';

// The function's own name is the first part of the path.
const app = new Hono().basePath('/:name');
app.use('*', cors());
app.get('/', (c) => c.text('try /items/1'));
app.get('/items/:id', (c) => c.json({ id: c.req.param('id') }));
app.post('/items', async (c) => c.json(await c.req.json(), 201));

Deno.serve(app.fetch);
`,
    },
  },
  stream: {
    title: 'A stream',
    text: 'Server-sent events, one a second.',
    files: {
      'index.ts': `Deno.serve((request) => {
  let count = 0;
  let timer: number | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const encoder = new TextEncoder();
      timer = setInterval(() => {
        count += 1;
        controller.enqueue(encoder.encode(\`data: \${JSON.stringify({ count })}\\n\\n\`));
        if (count === 5) {
          clearInterval(timer);
          controller.close();
        }
      }, 1000);
    },
    cancel: () => clearInterval(timer),
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
});
`,
    },
  },
  socket: {
    title: 'A WebSocket',
    text: 'Answers each message with itself.',
    files: {
      'index.ts': `Deno.serve((request) => {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    return new Response('this wants a WebSocket', { status: 426 });
  }
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = (event) => socket.send(event.data);
  return response;
});
`,
    },
  },
};
