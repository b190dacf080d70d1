export function matmulHashes(
  exports: Record<string, (...args: number[]) => number>,
  memory: WebAssembly.Memory,
  heap: number,
): Record<string, string>;
