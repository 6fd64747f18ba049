// A page of the gateway as the cases of edge functions ask it: what it deploys runs in isolates, or in the virtual machine.
import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { completions, schema, secret } from './cases.mjs';

const clients = async () => {
  const contents = "import { createClient } from '@supabase/supabase-js';\nimport { invoked } from './invoke.mjs';\nwindow.invoke = (url, key) => invoked(createClient(url, key));";
  const { outputFiles } = await build({ stdin: { contents, resolveDir: import.meta.dirname }, bundle: true, write: false, format: 'iife', platform: 'browser', logLevel: 'error' });
  return outputFiles[0].text;
};

/** Makes `running` of a page the gateway. */
export async function begin(page) {
  await page.evaluate(async () => {
    const { startGateway } = await import('/gateway.js');
    window.running = await startGateway();
  });
}

/** A host of the cases over a gateway that is open; what it deploys runs where `where` says. */
export async function hostOf(gateway, where = 'isolate') {
  const { page, keys } = gateway;
  await begin(page);
  const upstream = await completions();
  const evaluated = (work, target, { key = keys.publishable, headers, ...rest } = {}) => page.evaluate(work, [target, { ...rest, headers: { apikey: key, ...headers } }]);
  const host = {
    keys,
    completions: upstream,
    sql: (text) => gateway.sql(text),
    call: (target, options) => evaluated(async ([target, init]) => {
      const response = await fetch(target, { cache: 'no-store', ...init });
      return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
    }, target, options),
    stream: (target, options) => evaluated(async ([target, { pieces: most, ...init }]) => {
      const response = await fetch(target, { cache: 'no-store', ...init });
      const pieces = [];
      let broken = false;
      const reader = response.body.getReader();
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          pieces.push({ at: Date.now(), text: new TextDecoder().decode(value) });
          if (pieces.length === most) {
            await reader.cancel();
            break;
          }
        }
      } catch {
        broken = true;
      }
      return { status: response.status, headers: Object.fromEntries(response.headers), pieces, broken };
    }, target, options),
    async deploy(functions) {
      for (const [name, { files, verify_jwt = true, static_files: staticFiles }] of Object.entries(functions)) {
        const given = Object.entries(files).map(([file, content]) => [file, typeof content === 'string' ? content : [...content]]);
        await page.evaluate(async ([name, given, settings]) => {
          const files = Object.fromEntries(given.map(([file, content]) => [file, typeof content === 'string' ? content : new Uint8Array(content)]));
          await window.running.functions.deploy(name, files, settings);
        }, [name, given, { verify_jwt, host: where, ...(staticFiles && { staticFiles }) }]);
      }
    },
    limit: (name, limits) => page.evaluate(([name, limits]) => window.running.functions.update(name, { limits }), [name, limits]),
    async allow(allow) {
      const { status, text } = await host.call('/gateway/vm/settings', { method: 'PUT', key: keys.secret, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ outbound: { allow } }) });
      assert.equal(status, 200, text);
    },
    async invoke() {
      await page.addScriptTag({ content: await clients() });
      return page.evaluate(([url, key]) => window.invoke(url, key), [gateway.url, keys.anon]);
    },
  };
  await gateway.sql(schema);
  await page.evaluate((secrets) => window.running.secrets.set(secrets), { STRIPE_WEBHOOK_SIGNING_SECRET: secret, OPENAI_BASE_URL: upstream.url, OPENAI_API_KEY: 'sk-test-0123' });
  return host;
}

/** What a WebSocket of a page to the function `socket` hears. */
export const conversation = (page) => page.evaluate(() => new Promise((resolve) => {
  const heard = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    heard.push(data.kind === 'message' ? (typeof data.data === 'string' ? data.data : [...new Uint8Array(data.data)]) : data.reason || data.kind);
    if (data.data === 'welcome') port1.postMessage({ kind: 'message', data: 'hello' });
    if (data.data === 'echo hello') port1.postMessage({ kind: 'message', data: new Uint8Array([1, 2]).buffer });
    if (data.kind === 'message' && typeof data.data !== 'string') port1.postMessage({ kind: 'close', code: 1000, reason: 'enough' });
    if (data.kind === 'close') resolve(heard);
  };
  navigator.serviceWorker.controller.postMessage({ kind: 'tunnel', url: new URL('/functions/v1/socket', location.href).href, protocols: [], port: port2 }, [port2]);
}));
