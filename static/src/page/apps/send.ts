// An app's settings and files on their way to the gateway.
import { Refused, refusal, words, type Api } from '../gateway/call.ts';
import { putUrl, type App, type AppSettings } from './apps.ts';

/** Rejects with `Refused`, or the signal's reason. `progress` hears the bytes that the gateway has taken, where the browser lets it. */
export async function send(api: Api, name: string, settings: AppSettings, bundle: Blob, progress: (sent: number) => void, signal: AbortSignal): Promise<App> {
  const boundary = `app-${crypto.randomUUID()}`;
  const form = new Blob([
    `--${boundary}\r\ncontent-disposition: form-data; name="app"\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(settings)}\r\n`,
    `--${boundary}\r\ncontent-disposition: form-data; name="bundle"; filename="${name}.zip"\r\ncontent-type: application/zip\r\n\r\n`,
    bundle, `\r\n--${boundary}--\r\n`,
  ]);
  const streamed = streams() && navigator.serviceWorker.controller !== null;
  let response: Response;
  try {
    response = await fetch(putUrl(api, name), {
      method: 'PUT',
      headers: { apikey: api.secret, 'content-type': `multipart/form-data; boundary=${boundary}` },
      body: streamed ? form.stream().pipeThrough(counted(progress)) : form,
      ...(streamed && { duplex: 'half' }),
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new Refused(`The gateway could not be reached: ${words(error)}`, 0);
  }
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as App;
}

/** Tells how much has passed: neither fetch nor XMLHttpRequest does, of what a service worker takes. */
function counted(progress: (bytes: number) => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let passed = 0;
  return new TransformStream({
    transform: (chunk, controller) => {
      passed += chunk.length;
      progress(passed);
      controller.enqueue(chunk);
    },
  });
}

/** Whether a request's body may be a stream here: a browser that cannot do that makes a text of it, with a media type. */
function streams(): boolean {
  let asked = false;
  const options = {
    method: 'POST',
    body: new ReadableStream(),
    get duplex() {
      asked = true;
      return 'half';
    },
  };
  try {
    return !new Request('http://localhost/', options).headers.has('content-type') && asked;
  } catch {
    return false;
  }
}
