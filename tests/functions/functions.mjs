// Edge functions as people write them, and some as nobody should: the sources that the tests deploy.
import binaryen from '../../static/node_modules/binaryen/index.js';

const cors = `export const corsHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'authorization, x-client-info, apikey, content-type',
}
`;

/** A module with \`resize(width, height)\`: takes an RGBA picture at 0 and leaves one of half the size behind it. */
function resizer() {
  const module = binaryen.parseText(`(module
    (memory (export "memory") 16)
    (func (export "half") (param $w i32) (param $h i32) (result i32)
      (local $x i32) (local $y i32) (local $to i32) (local $start i32)
      (local.set $start (i32.mul (i32.const 4) (i32.mul (local.get $w) (local.get $h))))
      (local.set $to (local.get $start))
      (block $done (loop $rows
        (br_if $done (i32.ge_u (local.get $y) (local.get $h)))
        (local.set $x (i32.const 0))
        (block $row (loop $columns
          (br_if $row (i32.ge_u (local.get $x) (local.get $w)))
          (i32.store (local.get $to) (i32.load (i32.mul (i32.const 4) (i32.add (i32.mul (local.get $y) (local.get $w)) (local.get $x)))))
          (local.set $to (i32.add (local.get $to) (i32.const 4)))
          (local.set $x (i32.add (local.get $x) (i32.const 2)))
          (br $columns)))
        (local.set $y (i32.add (local.get $y) (i32.const 2)))
        (br $rows)))
      (local.get $start)))`);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

/** By name: files, and settings as \`config.toml\` has them. */
export const functions = {
  cors: {
    verify_jwt: false,
    files: {
      'cors.ts': cors,
      'index.ts': `import { corsHeaders } from './cors.ts'
console.log(\`Function "browser-with-cors" up and running!\`)
Deno.serve(async (req) => {
  if (req.method === 'OPTIONS') return new Response('ok', { headers: corsHeaders })
  try {
    const { name } = await req.json()
    return new Response(JSON.stringify({ message: \`Hello \${name}!\` }), { headers: { ...corsHeaders, 'Content-Type': 'application/json' }, status: 200 })
  } catch (error) {
    return new Response(JSON.stringify({ error: (error as Error).message }), { headers: { ...corsHeaders, 'Content-Type': 'application/json' }, status: 400 })
  }
})
`,
    },
  },
  tasks: {
    files: {
      'index.ts': `import { createClient, type SupabaseClient } from 'npm:@supabase/supabase-js@2'
interface Task { id: number; title: string }
async function all(client: SupabaseClient) {
  const { data, error } = await client.from('tasks').select('id, title').order('id')
  if (error) throw error
  return data as Task[]
}
Deno.serve(async (req) => {
  const client = createClient(Deno.env.get('SUPABASE_URL') ?? '', Deno.env.get('SUPABASE_ANON_KEY') ?? '', {
    global: { headers: { Authorization: req.headers.get('Authorization')! } },
  })
  try {
    if (req.method === 'POST') {
      const { title } = await req.json()
      const { data, error } = await client.from('tasks').insert({ title }).select().single()
      if (error) throw error
      return Response.json(data, { status: 201 })
    }
    return Response.json(await all(client))
  } catch (error) {
    return Response.json({ error: (error as { message: string }).message }, { status: 400 })
  }
})
`,
    },
  },
  // No Authorization of its own: it speaks for whoever asks it.
  whoami: {
    files: {
      'index.ts': `Deno.serve(async () => {
  const response = await fetch(\`\${Deno.env.get('SUPABASE_URL')}/rest/v1/rpc/who\`, { method: 'POST', headers: { apikey: Deno.env.get('SUPABASE_ANON_KEY')! } })
  return new Response(await response.text(), { status: response.status })
})
`,
    },
  },
  webhook: {
    verify_jwt: false,
    files: {
      'index.ts': `const encoder = new TextEncoder()
const secret = Deno.env.get('STRIPE_WEBHOOK_SIGNING_SECRET')!
console.log('the secret is', secret)
async function verified(payload: string, header: string): Promise<boolean> {
  const parts = Object.fromEntries(header.split(',').map((part) => part.split('=')))
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
  const signature = Uint8Array.from(parts.v1.match(/../g)!.map((byte: string) => parseInt(byte, 16)))
  return crypto.subtle.verify('HMAC', key, signature, encoder.encode(\`\${parts.t}.\${payload}\`))
}
Deno.serve(async (request) => {
  const payload = await request.text()
  if (!(await verified(payload, request.headers.get('Stripe-Signature') ?? 't=0,v1=00'))) return new Response('bad signature', { status: 400 })
  const event = JSON.parse(payload)
  return Response.json({ received: true, type: event.type, id: crypto.randomUUID().length })
})
`,
    },
  },
  upload: {
    files: {
      'index.ts': `import { createClient } from 'npm:@supabase/supabase-js@2'
Deno.serve(async (req) => {
  const form = await req.formData()
  const file = form.get('file') as File
  const admin = createClient(Deno.env.get('SUPABASE_URL')!, Deno.env.get('SUPABASE_SERVICE_ROLE_KEY')!)
  const { data, error } = await admin.storage.from('files').upload(\`\${form.get('folder')}/\${file.name}\`, file, { contentType: file.type, upsert: true })
  if (error) return Response.json({ error: error.message }, { status: 500 })
  return Response.json({ path: data.path, size: file.size })
})
`,
    },
  },
  events: {
    verify_jwt: false,
    files: {
      'index.ts': `Deno.serve((req) => {
  const count = Number(new URL(req.url).searchParams.get('count') ?? 3)
  let timer: number | undefined
  const body = new ReadableStream({
    start(controller) {
      let n = 0
      timer = setInterval(() => {
        controller.enqueue(new TextEncoder().encode(\`data: \${n}\\n\\n\`))
        if (++n === count) { clearInterval(timer); controller.close() }
      }, 150) as unknown as number
    },
    cancel() { clearInterval(timer); console.log('nobody listens any more') },
  })
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
})
`,
    },
  },
  // As many bytes as it is sent, and told how many there were before the last one came.
  mirror: {
    verify_jwt: false,
    files: {
      'index.ts': `Deno.serve((req) => {
  let count = 0
  const counted = req.body!.pipeThrough(new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) { count += chunk.length; controller.enqueue(chunk) },
    flush() { console.log('bytes', count) },
  }))
  return new Response(counted)
})
`,
    },
  },
  socket: {
    verify_jwt: false,
    files: {
      'index.ts': `Deno.serve((req) => {
  if (req.headers.get('upgrade')?.toLowerCase() !== 'websocket') return new Response("request isn't trying to upgrade to WebSocket.", { status: 400 })
  const { socket, response } = Deno.upgradeWebSocket(req)
  socket.onopen = () => socket.send('welcome')
  socket.onmessage = (e) => typeof e.data === 'string' ? socket.send(\`echo \${e.data}\`) : e.data.arrayBuffer().then((b: ArrayBuffer) => socket.send(b))
  socket.onclose = () => console.log('socket closed')
  return response
})
`,
    },
  },
  // A socket with a token, which it tells.
  guarded: {
    files: {
      'index.ts': `Deno.serve((req) => {
  const [protocol] = req.headers.get('sec-websocket-protocol')?.split(', ') ?? []
  const { socket, response } = Deno.upgradeWebSocket(req, { protocol })
  socket.onopen = () => socket.send(req.headers.get('authorization') ?? 'nobody')
  return response
})
`,
    },
  },
  background: {
    files: {
      'index.ts': `import { createClient } from 'npm:@supabase/supabase-js@2'
const admin = createClient(Deno.env.get('SUPABASE_URL')!, Deno.env.get('SUPABASE_SERVICE_ROLE_KEY')!)
async function tidy() {
  await new Promise((resolve) => setTimeout(resolve, 400))
  const { error } = await admin.from('runs').insert({ what: 'tidied' })
  if (error) throw error
}
addEventListener('beforeunload', (ev) => console.log('beforeunload', (ev as CustomEvent).detail?.reason))
Deno.serve(() => {
  EdgeRuntime.waitUntil(tidy())
  return new Response('started')
})
`,
    },
  },
  router: {
    verify_jwt: false,
    files: {
      'deno.json': '{ "imports": { "hono": "npm:hono@4" } }',
      'index.ts': `import { Hono } from 'hono'
const app = new Hono().basePath('/router')
app.get('/', (c) => c.text('Hono!'))
app.get('/tasks/:id', (c) => c.json({ id: c.req.param('id'), q: c.req.query('q') }))
app.put('/tasks/:id', async (c) => c.json({ id: c.req.param('id'), ...(await c.req.json()) }, 202))
app.delete('/tasks/:id', (c) => c.body(null, 204))
app.notFound((c) => c.json({ missing: c.req.path }, 404))
Deno.serve(app.fetch)
`,
    },
  },
  resize: {
    verify_jwt: false,
    static_files: ['./resize.wasm'],
    files: {
      'resize.wasm': resizer(),
      'index.ts': `const bytes = await Deno.readFile(new URL('./resize.wasm', import.meta.url))
const { instance } = await WebAssembly.instantiate(bytes)
const { memory, half } = instance.exports as { memory: WebAssembly.Memory; half(w: number, h: number): number }
Deno.serve(async (req) => {
  // Netpbm's P7 with four channels: text, then bytes.
  const picture = new Uint8Array(await req.arrayBuffer())
  const head = new TextDecoder('latin1').decode(picture.subarray(0, 200)).split('ENDHDR\\n')[0]
  const [w, h] = ['WIDTH', 'HEIGHT'].map((name) => Number(new RegExp(name + ' (\\\\d+)').exec(head)![1]))
  new Uint8Array(memory.buffer).set(picture.subarray(head.length + 7))
  const start = half(w, h)
  const pixels = new Uint8Array(memory.buffer, start, w * h)
  const [header] = [\`P7\\nWIDTH \${w / 2}\\nHEIGHT \${h / 2}\\nDEPTH 4\\nMAXVAL 255\\nTUPLTYPE RGB_ALPHA\\nENDHDR\\n\`]
  return new Response(new Blob([header, pixels]), { headers: { 'content-type': 'image/x-portable-arbitrarymap' } })
})
`,
    },
  },
  chat: {
    files: {
      'index.ts': `Deno.serve(async (req) => {
  const { query } = await req.json()
  const upstream = await fetch(Deno.env.get('OPENAI_BASE_URL') + '/v1/chat/completions', {
    method: 'POST',
    headers: { Authorization: \`Bearer \${Deno.env.get('OPENAI_API_KEY')}\`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: 'test', stream: true, messages: [{ role: 'user', content: query }] }),
  })
  return new Response(upstream.body, { status: upstream.status, headers: { 'Content-Type': upstream.headers.get('content-type') ?? 'text/plain' } })
})
`,
    },
  },
  invoked: {
    files: {
      'index.ts': `Deno.serve(async (req) => {
  const url = new URL(req.url)
  if (url.searchParams.has('slow')) await new Promise((resolve) => setTimeout(resolve, 3000))
  const type = req.headers.get('content-type') ?? ''
  const body = type.startsWith('multipart/') ? Object.fromEntries(await req.formData()) : await req.text()
  const told = { method: req.method, path: url.pathname, query: url.search, type: type.split(';')[0], body, own: req.headers.get('x-own'), region: req.headers.get('x-region'), token: req.headers.get('authorization')?.split(' ')[0] }
  switch (url.searchParams.get('as')) {
    case 'text': return new Response(\`text of \${told.method}\`)
    case 'blob': return new Response(new Uint8Array([1, 2, 3]), { headers: { 'content-type': 'application/octet-stream' } })
    case 'events': return new Response('data: 1\\n\\n', { headers: { 'content-type': 'text/event-stream' } })
    case 'form': { const form = new FormData(); form.set('a', 'b'); return new Response(form) }
    case 'error': return Response.json({ why: 'asked for' }, { status: 418 })
    default: return Response.json(told)
  }
})
`,
    },
  },
  readonly: {
    verify_jwt: false,
    static_files: ['./words/*.txt'],
    files: {
      'words/a.txt': 'the word',
      'index.ts': `Deno.serve(async () => {
  const attempt = async (work: () => unknown) => { try { return await work() } catch (error) { return (error as Error).name } }
  return Response.json({
    read: await attempt(() => Deno.readTextFile('./words/a.txt')),
    url: await attempt(() => Deno.readTextFile(new URL('words/a.txt', import.meta.url))),
    missing: await attempt(() => Deno.readTextFile('/etc/passwd')),
    set: await attempt(() => Deno.env.set('A', 'b')),
    names: Object.keys(Deno.env.toObject()).filter((name) => /^(SUPABASE|SB)_/.test(name)).sort(),
    other: Object.keys(Deno.env.toObject()).filter((name) => !/^(SUPABASE|SB)_/.test(name)).sort(),
    reach: await Promise.all(['indexedDB', 'caches', 'localStorage', 'process', 'require', 'Worker', 'XMLHttpRequest', 'BroadcastChannel'].map((name) => (globalThis as Record<string, unknown>)[name] === undefined ? '' : name)).then((names) => names.filter(Boolean)),
    module: await attempt(() => (0, eval)("import('node:fs')")),
  })
})
`,
    },
  },
};

/** As somebody writes it who has `SUPABASE_DB_URL`; an isolate has no way there. */
export const connects = `const tried = async (work: () => Promise<unknown>) => { try { return await work() } catch (error) { return \`\${(error as Error).name}: \${(error as Error).message}\` } }
Deno.serve(async () => {
  const { hostname, port } = new URL(Deno.env.get('SUPABASE_DB_URL')!)
  const { connect } = await import('node:net')
  return Response.json({
    deno: await tried(() => Deno.connect({ hostname, port: Number(port) })),
    node: await tried(() => new Promise((resolve, reject) => connect(Number(port), hostname).on('error', reject).on('connect', resolve))),
  })
})
`;

/** Each does something that it should not. */
export const misbehaving = {
  loops: 'Deno.serve((req) => { if (req.method === "POST") while (true); return new Response("fine") })',
  // Never for long, and always: what is computed between two waits counts too.
  pieces: 'Deno.serve(async (req) => { while (req.method === "POST") { const until = performance.now() + 40; while (performance.now() < until); await new Promise((resolve) => setTimeout(resolve, 1)) } return new Response("fine") })',
  leaks: 'const kept: unknown[] = []; Deno.serve(() => { setInterval(() => { for (let n = 0; n < 200_000; n++) kept.push({ n, of: [n] }) }, 5); return new Promise(() => {}) })',
  crashes: 'const settings = JSON.parse("{ no"); Deno.serve(() => new Response(settings))',
  silent: 'const nothing = 1; export { nothing }',
  throws: 'Deno.serve(() => { throw "not an error" })',
  never: 'Deno.serve(() => new Promise<Response>(() => {}))',
  twice: 'const answer = new Response("once"); Deno.serve(() => answer)',
  midstream: `function fail(): never {
  throw new Error('the tap is closed')
}
Deno.serve(() => new Response(new ReadableStream({
  start(controller) { controller.enqueue(new TextEncoder().encode('half')) },
  async pull() { await new Promise((resolve) => setTimeout(resolve, 100)); fail() },
}, { highWaterMark: 0 })))
`,
  exits: 'Deno.serve(() => Deno.exit(1))',
  rejects: 'Deno.serve(() => { Promise.reject(new Error("nobody heard of it")); return new Response("answered") })',
};
