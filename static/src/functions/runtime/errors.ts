// `Deno.errors`.

const names = [
  'NotFound', 'PermissionDenied', 'ConnectionRefused', 'ConnectionReset', 'ConnectionAborted', 'NotConnected', 'AddrInUse',
  'AddrNotAvailable', 'BrokenPipe', 'AlreadyExists', 'InvalidData', 'TimedOut', 'Interrupted', 'WriteZero', 'UnexpectedEof',
  'BadResource', 'Http', 'Busy', 'NotSupported', 'FilesystemLoop', 'IsADirectory', 'NetworkUnreachable', 'NotADirectory',
  'NotCapable', 'WouldBlock',
] as const;

type Errors = Record<(typeof names)[number], new (message?: string, options?: ErrorOptions) => Error>;

export const errors = Object.fromEntries(names.map((name) => {
  const made = { [name]: class extends Error {
    constructor(message?: string, options?: ErrorOptions) {
      super(message, options);
      this.name = name;
    }
  } }[name]!;
  return [name, made];
})) as unknown as Errors;
