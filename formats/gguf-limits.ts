// What both the reader and the writer hold a GGUF file to.
import { DOWNLOAD_AGAIN, GgufError } from "./errors.ts";
import { describeValue, type Metadata } from "./metadata.ts";

export const MAX_KEY_BYTES = 65_535; // GGUF specification
export const MAX_NAME_BYTES = 64; // of a tensor; GGUF specification
export const MAX_DIMS = 4; // ggml
// Nested arrays are in the specification; ggml refuses them and no known model has any.
export const MAX_ARRAY_DEPTH = 4;

const DEFAULT_ALIGNMENT = 32; // GGUF specification
const MAX_ALIGNMENT = 1024 * 1024; // 32 in nearly all files; a page is sensible, far more is damage

/** Alignment of tensor data in bytes: `general.alignment`, checked, or 32. */
export function alignmentOf(metadata: Metadata): number {
  const value = metadata.get("general.alignment");
  if (value === undefined) return DEFAULT_ALIGNMENT;
  const n = value.type === "u32" ? value.value : 0;
  // A power of two has one bit; n is at most 2^20, so the bit operation is exact.
  if (n >= 1 && n <= MAX_ALIGNMENT && (n & (n - 1)) === 0) return n;
  throw new GgufError({
    subject: "general.alignment",
    expected: `a u32 power of two up to ${MAX_ALIGNMENT}`,
    found: describeValue(value),
    source: metadata.source,
    remedy: DOWNLOAD_AGAIN,
  });
}
