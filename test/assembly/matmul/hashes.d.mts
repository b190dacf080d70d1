export function matmulHashes(
  exports: Record<string, (...args: number[]) => number>,
  memory: WebAssembly.Memory,
  heap: number,
): Record<string, string>;

/** Number, weights and bytes of a block, offsets of its f16 fields and more: see hashes.mjs. */
export const types: Record<
  string,
  readonly [number, number, number, readonly number[], ...unknown[]]
>;
export function random(seed: number): () => number;
export function bytesOfRow(name: string, k: number): number;
export function fillRows(
  v: DataView,
  source: number,
  name: string,
  nRows: number,
  k: number,
  next: () => number,
  subnormals?: boolean,
): void;
