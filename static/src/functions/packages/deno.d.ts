// What these modules ask of the runtime. It is written down here and not taken from Deno's types because this is all.
declare const Deno: {
  env: { get(name: string): string | undefined; set(name: string, value: string): void; delete(name: string): void; has(name: string): boolean; toObject(): Record<string, string> };
  cwd(): string;
  exit(code?: number): never;
  pid?: number;
  readFile(path: string | URL): Promise<Uint8Array>;
  readFileSync(path: string | URL): Uint8Array;
  serve(handler: (request: Request, info: unknown) => Response | Promise<Response>): unknown;
};
