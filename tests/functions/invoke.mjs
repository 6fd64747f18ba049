/** What each of `functions.invoke`'s options comes to; runs where supabase-js does. */
export async function invoked(supabase) {
  const told = {};
  const ask = async (name, path, options) => {
    const { data, error } = await supabase.functions.invoke(path, options);
    if (error) {
      told[name] = { error: error.name, ...(error.context?.status && { status: error.context.status }) };
      return;
    }
    if (data instanceof Blob) told[name] = { data: [...new Uint8Array(await data.arrayBuffer())] };
    else if (data instanceof FormData) told[name] = { data: Object.fromEntries(data) };
    else if (data instanceof Response) told[name] = { data: await data.text() };
    else told[name] = { data };
  };
  await ask('nothing', 'invoked');
  await ask('json', 'invoked', { body: { a: 1 } });
  await ask('text', 'invoked', { body: 'words' });
  await ask('bytes', 'invoked', { body: new TextEncoder().encode('ABC').buffer });
  const form = new FormData();
  form.set('a', 'b');
  await ask('form', 'invoked', { body: form });
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) await ask(method, 'invoked', { method });
  await ask('headers', 'invoked', { headers: { 'x-own': 'mine' } });
  await ask('region', 'invoked', { region: 'eu-west-1' });
  await ask('path', 'invoked/deep/er');
  for (const as of ['Text', 'Blob', 'Form', 'Events']) await ask(`as${as}`, `invoked?as=${as.toLowerCase()}`);
  await ask('error', 'invoked?as=error');
  await ask('missing', 'nobody');
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 300);
  await ask('aborted', 'invoked?slow', { signal: controller.signal });
  await ask('late', 'invoked?slow', { timeout: 300 });
  return told;
}
