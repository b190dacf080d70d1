// Reads the reference vectors of ../shared/reference/quants (NAME.json + NAME.bin, see its README).
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of shared reference data beside the project; absent in a plain clone. */
export const SHARED = fileURLToPath(new URL("../../../shared/reference/", import.meta.url));

/** Whether the shared reference data is there. Says so, loudly, when it is not. */
export function hasShared(folder: string): boolean {
  const there = existsSync(SHARED + folder);
  if (!there)
    console.warn(`SKIPPED: ${SHARED}${folder} is absent; only the committed fixtures are tested`);
  return there;
}

/** One array of a vector file. */
export interface Section {
  readonly name: string;
  readonly dtype: "u8" | "u16" | "f32" | "f64";
  readonly shape: readonly number[];
  /** The array's bytes, little-endian, at an aligned offset of their own buffer. */
  readonly bytes: Uint8Array;
}

/** The sections of `base`.bin by name. */
export function loadVectors(base: string): Map<string, Section> {
  const meta = JSON.parse(readFileSync(`${base}.json`, "utf8"));
  const file = readFileSync(`${base}.bin`);
  const sections = new Map<string, Section>();
  for (const { name, dtype, shape, offset, bytes } of meta.sections) {
    const copy = new Uint8Array(file.subarray(offset, offset + bytes));
    sections.set(name, { name, dtype, shape, bytes: copy });
  }
  return sections;
}

/** A section of f32 values. */
export function f32Of(section: Section): Float32Array {
  return new Float32Array(section.bytes.buffer);
}
