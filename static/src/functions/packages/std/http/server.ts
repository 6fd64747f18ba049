// `serve` of Deno's std/http before `Deno.serve`; its options are about ports, which a function has none of.
type Handler = (request: Request, info: unknown) => Response | Promise<Response>;

export async function serve(handler: Handler, _options?: unknown): Promise<void> {
  Deno.serve(handler);
}

export async function serveTls(handler: Handler, options?: unknown): Promise<void> {
  return serve(handler, options);
}
