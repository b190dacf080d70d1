export function hashes(wasmBytes: Uint8Array<ArrayBuffer>): Promise<Record<string, string>>;
