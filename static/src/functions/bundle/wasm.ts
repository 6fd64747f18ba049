// An imported `.wasm` file is its instance (WebAssembly/ES module integration): its exports are the module's, and what it
// imports is imported.

/** Throws a `WebAssembly.CompileError` for bytes that are no module. */
export async function wasmModule(bytes: Uint8Array): Promise<string> {
  const module = await WebAssembly.compile(bytes as BufferSource);
  const from = [...new Set(WebAssembly.Module.imports(module).map((one) => one.module))];
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  const exported = names.map((name, index) => `const e${index} = instance.exports[${JSON.stringify(name)}];\nexport { e${index} as ${JSON.stringify(name)} };`);
  return [
    ...from.map((name, index) => `import * as i${index} from ${JSON.stringify(name)};`),
    `import bytes from ${JSON.stringify(bytesOfItself)} with { type: 'bytes' };`,
    `const { instance } = await WebAssembly.instantiate(bytes, { ${from.map((name, index) => `${JSON.stringify(name)}: i${index}`).join(', ')} });`,
    ...exported,
  ].join('\n');
}

/** What a module made of a `.wasm` file imports to have its bytes. */
export const bytesOfItself = 'bytes:itself';
