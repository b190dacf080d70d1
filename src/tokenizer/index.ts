// The public face of the tokenizers: `createTokenizer` reads a GGUF file's vocabulary and returns
// the tokenizer for it.
import { BpeModel } from "./bpe.ts";
import { TokenizerError } from "./errors.ts";
import { VocabularyMetadata, type VocabularySource } from "./metadata.ts";
import type { TokenizerModel } from "./model.ts";
import { DEFAULT_PRE_TOKENIZER, type PreTokenizer, preTokenizer } from "./pre-tokenizers.ts";
import { detectSpecialTokens, setStripAttributes } from "./special-tokens.ts";
import { RwkvModel } from "./rwkv.ts";
import { SPM_SPECIAL_TOKENS, SpmModel } from "./spm.ts";
import { type Tokenizer, VocabularyTokenizer } from "./tokenizer.ts";
import { UNIGRAM_SPECIAL_TOKENS, UnigramModel } from "./unigram.ts";
import { readVocabulary, type SpecialTokens, type Vocabulary } from "./vocabulary.ts";
import { WORDPIECE_SPECIAL_TOKENS, WordPieceModel } from "./wordpiece.ts";

export type { Detokenizer } from "./detokenizer.ts";
export { TokenizerError } from "./errors.ts";
export type { VocabularySource } from "./metadata.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer } from "./tokenizer.ts";
export { fingerprint as unicodeFingerprint } from "./unicode/classes.ts";
export type { TokenType } from "./vocabulary.ts";

// GGUF's defaults for GPT-2 vocabularies: falcon's <|endoftext|>.
const BPE_SPECIAL_TOKENS: SpecialTokens = { bos: 11, eos: 11 };

/**
 * The tokenizer of a GGUF file. Throws TokenizerError for a vocabulary that is missing, broken or
 * of an unsupported kind; anything milder is in `warnings`.
 */
export function createTokenizer(source: VocabularySource): Tokenizer {
  checkScript();
  const meta = new VocabularyMetadata(source);
  const model = meta.string("tokenizer.ggml.model");
  switch (model) {
    case "llama": {
      const vocabulary = readVocabulary(meta, SPM_SPECIAL_TOKENS);
      return finish(meta, model, "default", vocabulary, new SpmModel(vocabulary, meta));
    }
    case "gpt2":
    case "gemma4":
    case "whitespace":
      return createBpe(meta, model);
    case "bert": {
      const vocabulary = readVocabulary(meta, WORDPIECE_SPECIAL_TOKENS);
      return finish(meta, model, "default", vocabulary, new WordPieceModel(vocabulary));
    }
    case "t5": {
      const vocabulary = readVocabulary(meta, UNIGRAM_SPECIAL_TOKENS);
      return finish(meta, model, "default", vocabulary, new UnigramModel(vocabulary, meta));
    }
    case "rwkv": {
      const vocabulary = readVocabulary(meta, {});
      return finish(meta, model, "default", vocabulary, new RwkvModel(vocabulary));
    }
    default:
      throw meta.wrong(
        "tokenizer.ggml.model",
        "llama, gpt2, gemma4, whitespace, bert, t5 or rwkv",
        "this kind of tokenizer is not supported",
      );
  }
}

/**
 * A page that does not say its encoding may read a bundled script as Windows-1252. Nothing fails then, but every letter beyond
 * ASCII in the code is another one, and so are the tokens of a text.
 */
function checkScript(): void {
  if (new TextEncoder().encode("▁").length !== 3)
    throw new TokenizerError({
      subject: "script",
      expected: "samebit's code to be read as UTF-8",
      found: "it read in another encoding",
      remedy: 'put <meta charset="utf-8"> into the page, or serve scripts with charset=utf-8',
    });
}

function createBpe(meta: VocabularyMetadata, model: string): Tokenizer {
  const named = meta.string("tokenizer.ggml.pre");
  const pre = model === "gpt2" ? named : model;
  const row = (pre === undefined ? undefined : preTokenizer(pre)) ?? DEFAULT_PRE_TOKENIZER;
  const vocabulary = readVocabulary(meta, defaultTokens(model, row));
  if (pre === undefined || preTokenizer(pre) === undefined) {
    vocabulary.warnings.push(
      `tokenizer.ggml.pre: expected the name of a known splitting rule, found ` +
        `${pre === undefined ? "no such key" : JSON.stringify(pre)}; the default rule is used and ` +
        `answers may be worse: convert the model again, or set the key with --override-kv`,
    );
  }
  return finish(meta, model, pre ?? "default", vocabulary, new BpeModel(vocabulary, meta, row));
}

function defaultTokens(model: string, { noBos }: PreTokenizer): SpecialTokens {
  if (model === "gemma4") return {};
  return noBos ? { eos: BPE_SPECIAL_TOKENS.eos } : BPE_SPECIAL_TOKENS;
}

function finish(
  meta: VocabularyMetadata,
  name: string,
  pre: string,
  vocabulary: Vocabulary,
  model: TokenizerModel,
): Tokenizer {
  const eogTokens = detectSpecialTokens(vocabulary);
  setStripAttributes(vocabulary, {
    name: meta.string("general.name") ?? "",
    pre,
    architecture: meta.string("general.architecture") ?? "",
  });
  return new VocabularyTokenizer({ model: name, pre }, vocabulary, model, eogTokens, meta);
}
