// TypeScript in a worker of its own. It answers what `Ask` asks, in order; only the editor of a function starts it.
import { unzip } from '../bundle/archive.ts';
import { Types, type Ask } from './service.ts';

async function read(file: string): Promise<Map<string, string>> {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
  const decoder = new TextDecoder();
  return new Map([...unzip(new Uint8Array(await response.arrayBuffer()))].map(([path, bytes]) => [`/${path}`, decoder.decode(bytes)]));
}

const types = read(FUNCTION_TYPES).then((library) => new Types(library));

addEventListener('message', (event: MessageEvent<Ask>) => {
  const asked = event.data;
  void types.then((service) => answer(service, asked)).then(
    (value) => postMessage({ ask: asked.ask, value }),
    (error: unknown) => postMessage({ ask: asked.ask, error: String(error) }),
  );
});

function answer(service: Types, asked: Ask): unknown {
  switch (asked.kind) {
    case 'update': return service.update(asked.files);
    case 'offers': return service.offers(asked.path, asked.at);
    case 'details': return service.details(asked.path, asked.at, asked.label);
    case 'told': return service.told(asked.path, asked.at);
    case 'wrong': return service.wrong(asked.path);
  }
}
