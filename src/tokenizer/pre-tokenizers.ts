// One row per value of `tokenizer.ggml.pre`: which splitting rule, and what else the family
// changes. Source: llama.cpp, src/llama-vocab.cpp, load.
import type { RuleName } from "./split/rules.ts";

export interface PreTokenizer {
  readonly rule: RuleName;
  /** A word that is a token is that token, whatever the merges would make of it. */
  readonly ignoreMerges?: boolean;
  /** BOS is added unless the file says otherwise. */
  readonly addBos?: boolean;
  /** BOS is added whatever the file says. */
  readonly forceBos?: boolean;
  /** A separator stands between two texts that are given as one. */
  readonly addSepBetween?: boolean;
  /** BOS has no default id. */
  readonly noBos?: boolean;
  /** Merges work on UTF-8 characters, not on bytes; a missing character is `<0xXX>` tokens. */
  readonly rawUtf8?: boolean;
  /** Spaces are written U+2581 in tokens. */
  readonly escapeSpaces?: boolean;
  /** A run of line ends is looked up whole (gemma 4). */
  readonly newlineTokens?: boolean;
  /** White space only separates words and is dropped. */
  readonly dropSpaces?: boolean;
  /**
   * The rule leaves words so long that they hardly come back: they are cut further, wherever no merge
   * joins. Not together with `ignoreMerges`, which looks whole words up.
   */
  readonly longWords?: boolean;
  /** The file may have no merges. */
  readonly mergesOptional?: boolean;
}

/** The row for `pre`; undefined for an unknown one. */
export function preTokenizer(pre: string): PreTokenizer | undefined {
  return ROWS.get(pre);
}

export const DEFAULT_PRE_TOKENIZER: PreTokenizer = { rule: "default" };

const GEMMA4: PreTokenizer = {
  rule: "lines",
  rawUtf8: true,
  escapeSpaces: true,
  newlineTokens: true,
  longWords: true,
  forceBos: true,
};

const ROWS = new Map<string, PreTokenizer>();
function rows(names: string, row: PreTokenizer): void {
  for (const name of names.split(" ")) ROWS.set(name, row);
}

rows("default", DEFAULT_PRE_TOKENIZER);
rows("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", {
  rule: "llama3",
  ignoreMerges: true,
  addBos: true,
});
rows("dbrx smaug-bpe", { rule: "llama3" });
rows("glm4 chatglm-bpe", { rule: "llama3", noBos: true });
rows("qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 openpangu", {
  rule: "qwen2",
});
rows("qwen35", { rule: "qwen35" });
rows("ufakzeka", { rule: "ufakzeka" });
rows(
  "gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat mellum modern-bert a.x-4.0 " +
    "jina-es jina-de jina-v2-es jina-v2-de",
  { rule: "gpt2" },
);
rows("jina-v1-en jina-v2-code roberta-bpe", { rule: "gpt2", addSepBetween: true });
rows("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", {
  rule: "starcoder",
});
rows("gpt-4o llama4 kanana2 talkie minimax-m2", { rule: "gpt-4o" });
rows("tiny_aya cohere2moe", { rule: "tiny_aya" });
rows("granite-embed-multi-97m", { rule: "granite-embed", ignoreMerges: true });
rows("tekken", { rule: "tekken", ignoreMerges: true, addBos: true });
rows("deepseek-v3 hunyuan-dense joyai-llm hy_v4", { rule: "deepseek-v3" });
rows("deepseek-llm", { rule: "deepseek-llm" });
rows("deepseek-coder", { rule: "deepseek-coder" });
rows("spark2_5", { rule: "spark2_5" });
rows("falcon", { rule: "falcon" });
rows("youtu", { rule: "youtu", ignoreMerges: true });
rows("chameleon", { rule: "chameleon", addBos: true });
rows("superbpe", { rule: "superbpe", longWords: true });
rows("seed-coder", { rule: "seed-coder" });
rows("exaone-moe", { rule: "exaone-moe", longWords: true });
rows("jais-2", { rule: "jais-2" });
rows("viking", { rule: "viking" });
rows("bloom poro-chat gpt3-finnish", { rule: "bloom" });
rows("minicpm5", { rule: "minicpm5", ignoreMerges: true });
rows("laguna", { rule: "laguna" });
rows("bailingmoe bailingmoe2 llada-moe", { rule: "qwen2" });
rows("kimi-k2", { rule: "kimi-k2", mergesOptional: true });
rows("afmoe", { rule: "afmoe" });
rows("gemma4 granite-embed-multi-311m", GEMMA4);
rows("sarvam-moe", {
  rule: "lines",
  rawUtf8: true,
  escapeSpaces: true,
  longWords: true,
});
rows("whitespace", { rule: "whole", rawUtf8: true, dropSpaces: true });

/** All known names, for tests and documentation. */
export const PRE_TOKENIZER_NAMES: readonly string[] = [...ROWS.keys()];
