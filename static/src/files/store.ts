// What keeps the bytes of stored objects: a flat folder of files for each project, each written once. Which bytes belong
// to which object is decided in Rust (`routes/src/blobs`).

/** A file that is being written. */
export interface FileSink {
  write(chunk: Uint8Array): Promise<void>;
  /** The file is there from then on, whole. */
  close(): Promise<void>;
  /** Nothing of it is left. */
  abort(): Promise<void>;
}

/** Name, bytes, and when it was last written, in milliseconds since the epoch. */
export type FileEntry = [name: string, size: number, modified: number];

export interface FileStore {
  create(project: string, name: string): Promise<FileSink>;
  /** The bytes from `from` to before `to`; each is read when it is asked for. Rejects with a `NotFoundError` where there is no such file. */
  read(project: string, name: string, from: number, to: number): Promise<ReadableStream<Uint8Array>>;
  size(project: string, name: string): Promise<number | undefined>;
  remove(project: string, name: string): Promise<void>;
  /** With what was begun and not closed. */
  list(project: string): Promise<FileEntry[]>;
}

export function notFound(name: string): DOMException {
  return new DOMException(`There is no file ${name}.`, 'NotFoundError');
}

/** `undefined` where something is not there. */
export function unlessMissing(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}
