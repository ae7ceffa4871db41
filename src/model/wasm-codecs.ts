import { createRequire } from 'node:module';

type WasmCodecs = typeof import('@platformatic/wasm-utils');

let loaded: WasmCodecs | undefined;

/**
 * The encoders of Snappy and LZ4, loaded when something is first compressed with one of them: the package compiles its
 * WebAssembly at once, which every start would wait for.
 */
export function wasmCodecs(): WasmCodecs {
  loaded ??= createRequire(import.meta.url)('@platformatic/wasm-utils') as WasmCodecs;
  return loaded;
}
