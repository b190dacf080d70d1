// The vocabulary as data: text, score and attributes of every token, the special token ids and the
// flags, checked once. Which tokens are special beyond what the file says: special-tokens.ts.
// Semantics: llama.cpp, src/llama-vocab.cpp, load.
import { TokenizerError } from "./errors.ts";
import { type VocabularyMetadata } from "./metadata.ts";

/** Attribute bits of a token. `tokenizer.ggml.token_type` gives one; detection may add others. */
export const ATTRIBUTE = {
  unknown: 1,
  unused: 2,
  normal: 4,
  control: 8,
  userDefined: 16,
  byte: 32,
  /** White space to the left of the token in a text belongs to it. */
  stripLeft: 64,
  /** White space to its right does. */
  stripRight: 128,
} as const;

/** What `tokenType` answers. */
export type TokenType =
  | "normal"
  | "unknown"
  | "control"
  | "userDefined"
  | "unused"
  | "byte"
  | "undefined";

// tokenizer.ggml.token_type: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
const ATTRIBUTE_OF_TYPE = [
  0,
  ATTRIBUTE.normal,
  ATTRIBUTE.unknown,
  ATTRIBUTE.control,
  ATTRIBUTE.userDefined,
  ATTRIBUTE.unused,
  ATTRIBUTE.byte,
];

/** Special tokens by role. Keys are those of GGUF, later keys are deprecated spellings. */
const SPECIAL_KEYS = {
  bos: ["bos_token_id"],
  eos: ["eos_token_id"],
  eot: ["eot_token_id"],
  eom: ["eom_token_id"],
  unk: ["unknown_token_id"],
  sep: ["seperator_token_id"], // sic
  pad: ["padding_token_id"],
  mask: ["mask_token_id"],
  fimPre: ["fim_pre_token_id", "prefix_token_id"],
  fimSuf: ["fim_suf_token_id", "suffix_token_id"],
  fimMid: ["fim_mid_token_id", "middle_token_id"],
  fimPad: ["fim_pad_token_id"],
  fimRep: ["fim_rep_token_id"],
  fimSep: ["fim_sep_token_id"],
} as const;

export type SpecialRole = keyof typeof SPECIAL_KEYS;
export type SpecialTokens = { [role in SpecialRole]?: number };

export interface Vocabulary {
  /** Text of each token as the file has it, by id. */
  readonly texts: readonly string[];
  /** Id of each text. */
  readonly ids: ReadonlyMap<string, number>;
  /** Merge scores (SPM); undefined when the file has none. */
  readonly scores: Float32Array | Int32Array | undefined;
  /** ATTRIBUTE bits, by id. */
  readonly attributes: Uint8Array;
  readonly special: SpecialTokens;
  /** What is odd in the file, in sentences for the user. */
  readonly warnings: string[];
}

/** Reads tokens, types and special ids. `defaults` are the family's ids for keys the file lacks. */
export function readVocabulary(meta: VocabularyMetadata, defaults: SpecialTokens): Vocabulary {
  const key = "tokenizer.ggml.tokens";
  const texts = meta.strings(key);
  if (texts === undefined || texts.length === 0) {
    throw meta.wrong(key, "an array of at least one string");
  }
  const warnings: string[] = [];
  return {
    texts,
    ids: indexTexts(texts, warnings),
    scores: meta.numbers("tokenizer.ggml.scores", texts.length, true),
    attributes: readAttributes(meta, texts.length),
    special: readSpecialTokens(meta, texts.length, defaults, warnings),
    warnings,
  };
}

function indexTexts(texts: readonly string[], warnings: string[]): Map<string, number> {
  const ids = new Map<string, number>();
  let empty = 0;
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id];
    if (text === "") {
      empty++; // never matched by a text; llama.cpp names it "[EMPTY_id]"
      continue;
    }
    const first = ids.get(text);
    if (first !== undefined) {
      throw new TokenizerError({
        subject: `tokenizer.ggml.tokens[${id}]`,
        expected: "a text that no other token has",
        found: `${JSON.stringify(text)}, which is token ${first} too`,
        remedy: "convert the model again with a current converter",
      });
    }
    ids.set(text, id);
  }
  if (empty > 0) warnings.push(`${empty} tokens of the vocabulary are empty`);
  return ids;
}

function readAttributes(meta: VocabularyMetadata, count: number): Uint8Array {
  const types = meta.numbers("tokenizer.ggml.token_type", count, false);
  const attributes = new Uint8Array(count).fill(ATTRIBUTE.normal);
  if (types === undefined) return attributes;
  for (let id = 0; id < count; id++) attributes[id] = ATTRIBUTE_OF_TYPE[types[id]] ?? 0;
  return attributes;
}

function readSpecialTokens(
  meta: VocabularyMetadata,
  count: number,
  defaults: SpecialTokens,
  warnings: string[],
): SpecialTokens {
  const special: SpecialTokens = {};
  for (const [role, names] of Object.entries(SPECIAL_KEYS) as [SpecialRole, readonly string[]][]) {
    const byDefault = defaults[role];
    let id = byDefault !== undefined && byDefault < count ? byDefault : undefined;
    for (const name of names) {
      const key = `tokenizer.ggml.${name}`;
      const value = meta.index(key);
      if (value === undefined) continue;
      if (value < count) id = value;
      else warnings.push(`${key}: expected an id below ${count}, found ${value}; it is ignored`);
    }
    if (id !== undefined) special[role] = id;
  }
  return special;
}
