// What ships beside the code, the kernels and the worker, as strings in the code itself: samebit/single-file puts it here. Without
// it both are files that their users name by URL.

export interface EmbeddedAssets {
  /** WebAssembly in base64, by file name. */
  readonly kernels: Readonly<Record<string, string>>;
  /** threads/worker.ts with all that it imports, as a script that is no module. */
  readonly worker: string;
}

let assets: EmbeddedAssets | undefined;

/** From now on kernels and workers are made of these. */
export function embedAssets(embedded: EmbeddedAssets): void {
  assets = embedded;
}

/** Bytes of dist/kernels/<name>.wasm; undefined: they are in that file. */
export function embeddedKernels(name: string): Uint8Array | undefined {
  const base64 = assets?.kernels[name];
  return base64 === undefined
    ? undefined
    : Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));
}

/** The worker's script; undefined: it is threads/worker.js. */
export function embeddedWorker(): string | undefined {
  return assets?.worker;
}
