// Vocabularies small enough to check by hand, as GGUF metadata.
import type { MetadataArray, MetadataValue } from "../../../formats/index.ts";
import { CHARACTER_OF_BYTE } from "../../../src/tokenizer/byte-alphabet.ts";

export type Metadata = Map<string, MetadataValue>;

/** Metadata under `tokenizer.ggml.` (or a whole key, if it has a dot). */
export function metadata(values: Record<string, unknown>): { metadata: Metadata } {
  const entries = Object.entries(values).map(([key, value]): [string, MetadataValue] => [
    key.includes(".") ? key : `tokenizer.ggml.${key}`,
    typed(value),
  ]);
  return { metadata: new Map(entries) };
}

function typed(value: unknown): MetadataValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") return { type: "u32", value };
  const array = (elementType: string, values: unknown) =>
    ({ type: "array", value: { elementType, values } as MetadataArray }) as MetadataValue;
  if (value instanceof Float32Array) return array("f32", value);
  if (value instanceof Int32Array) return array("i32", value);
  return array("string", value);
}

/** The token texts of such metadata, to be changed by a test. */
export function texts(source: { metadata: Metadata }): string[] {
  const value = source.metadata.get("tokenizer.ggml.tokens")!.value;
  return (value as unknown as { values: string[] }).values;
}

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

/** <unk> <s> </s>, 256 byte tokens (ids 3..258), then `pieces` with falling scores. */
export function tinySpm(pieces: readonly string[], more: Record<string, unknown> = {}) {
  const tokens = ["<unk>", "<s>", "</s>"];
  const types = [UNKNOWN, CONTROL, CONTROL];
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    types.push(BYTE);
  }
  const scores = tokens.map(() => 0);
  for (const [i, piece] of pieces.entries()) {
    const special = /^<\|.*\|>$/.test(piece);
    tokens.push(piece);
    types.push(special ? CONTROL : piece.startsWith("[") ? USER_DEFINED : NORMAL);
    scores.push(-i);
  }
  return metadata({
    model: "llama",
    tokens,
    scores: Float32Array.from(scores),
    token_type: Int32Array.from(types),
    bos_token_id: 1,
    eos_token_id: 2,
    ...more,
  });
}
/** Id of the first of `pieces` of tinySpm. */
export const SPM_BASE = 259;

/** The 256 bytes (id = byte), merged tokens in order of `merges`, then `special` tokens. */
export function tinyBpe(
  merges: readonly string[],
  special: readonly string[] = [],
  more: Record<string, unknown> = {},
) {
  const merged = merges.map((merge) => merge.replace(" ", ""));
  const tokens = [...CHARACTER_OF_BYTE, ...merged, ...special];
  const types = tokens.map((token) => {
    if (!special.includes(token)) return NORMAL;
    return token.startsWith("[") ? USER_DEFINED : CONTROL;
  });
  return metadata({
    model: "gpt2",
    pre: "gpt-2",
    tokens,
    merges,
    token_type: Int32Array.from(types),
    ...more,
  });
}
/** Id of the first merged token of tinyBpe. */
export const BPE_BASE = 256;
