// The tokens of the text that perplexity and imatrix work on.

import type { Model } from "../index.ts";
import { readText, type TextValues } from "./text.ts";

/**
 * As llama.cpp does it: the newline at the end of a file is not part of the text, special tokens are added, and parsed in the
 * text where `parseSpecial` says so.
 */
export async function tokenizeCorpus(
  model: Model,
  values: TextValues,
  parseSpecial = false,
): Promise<number[]> {
  const text = await readText(values),
    fromFile = values.prompt === undefined;
  return model.tokenizer.encode(fromFile ? text.replace(/\n$/, "") : text, {
    addSpecial: true,
    parseSpecial,
  });
}
