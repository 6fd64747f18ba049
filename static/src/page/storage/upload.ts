// Files on their way into a bucket, with what has gone over: small ones in one request, large ones resumable.
import { refusal, words, type Api } from '../gateway/call.ts';
import { resumableUrl, uploadUrl } from './objects.ts';

/** From this size on a file goes in pieces, and an interrupted one goes on where it was. */
const large = 6 * 1024 * 1024;
/** The size that storage-api asks of every piece but the last. */
const piece = 6 * 1024 * 1024;

export interface Sending {
  /** Resolves when the object is there; rejects with what was refused. */
  done: Promise<void>;
  stop: () => void;
}

export interface Item { bucket: string; key: string; file: File; replace: boolean }

export function upload(api: Api, item: Item, progress: (sent: number) => void): Sending {
  return item.file.size > large ? inPieces(api, item, progress) : whole(api, item, progress);
}

const typeOf = (file: File) => file.type || 'application/octet-stream';

/** XMLHttpRequest, because fetch does not tell how much has gone. */
function whole(api: Api, { bucket, key, file, replace }: Item, progress: (sent: number) => void): Sending {
  const request = new XMLHttpRequest();
  const done = new Promise<void>((resolve, reject) => {
    request.upload.onprogress = ({ loaded }) => progress(loaded);
    request.onload = () => {
      if (request.status < 300) resolve();
      else void refusal(new Response(request.responseText, { status: request.status })).then(reject);
    };
    request.onerror = () => reject(new Error('The gateway could not be reached'));
    request.onabort = () => reject(new Error('Stopped'));
    request.open('POST', uploadUrl(api, bucket, key));
    for (const [name, value] of [['apikey', api.secret], ['content-type', typeOf(file)], ['cache-control', 'max-age=3600'], ['x-upsert', String(replace)]] as const) request.setRequestHeader(name, value);
    request.send(file);
  });
  return { done, stop: () => request.abort() };
}

function inPieces(api: Api, { bucket, key, file, replace }: Item, progress: (sent: number) => void): Sending {
  let stopped = false;
  let stop = () => {};
  const send = async () => {
    const { Upload, DetailedError } = await import('tus-js-client');
    if (stopped) throw new Error('Stopped');
    await new Promise<void>((resolve, reject) => {
      const sending = new Upload(file, {
        endpoint: resumableUrl(api),
        headers: { apikey: api.secret, 'x-upsert': String(replace) },
        metadata: { bucketName: bucket, objectName: key, contentType: typeOf(file), cacheControl: '3600' },
        chunkSize: piece,
        uploadDataDuringCreation: true,
        removeFingerprintOnSuccess: true,
        retryDelays: [0, 1000, 3000],
        onProgress: progress,
        onSuccess: () => resolve(),
        onError: (error) => {
          const answer = error instanceof DetailedError ? error.originalResponse?.getBody() : undefined;
          reject(new Error(answer ? reason(answer) : words(error)));
        },
      });
      stop = () => {
        void sending.abort(true).catch(() => undefined);
        reject(new Error('Stopped'));
      };
      void sending.findPreviousUploads().then(([previous]) => {
        if (previous) sending.resumeFromPreviousUpload(previous);
        sending.start();
      });
    });
  };
  return {
    done: send(),
    stop: () => {
      stopped = true;
      stop();
    },
  };
}

/** TUS is answered with a text, or with storage's own error. */
function reason(answer: string): string {
  try {
    return (JSON.parse(answer) as { message?: string }).message ?? answer;
  } catch {
    return answer;
  }
}
