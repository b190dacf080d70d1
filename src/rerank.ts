// The text that a reranker reads: query and document in one, by the model's own template or with special tokens between
// them. Source: llama.cpp, tools/server/server-common.cpp, format_prompt_rerank. model.ts embeds it with pooling `rank`.

import type { Tokenizer } from "./tokenizer/index.ts";

/**
 * Token ids of a pair. template (`tokenizer.chat_template.rerank`): special tokens are read in it, and in the texts that
 * stand for `{query}` and `{document}`. Without one: BOS, query, EOS, SEP, document, EOS, of which those stand there that
 * the vocabulary adds; SEP for EOS where it has none.
 */
export function rerankTokens(
  tokenizer: Tokenizer,
  template: string | undefined,
  query: string,
  document: string,
): number[] {
  if (template !== undefined) {
    const text = template.replace(/\{(query|document)\}/g, (_, name) =>
      name === "query" ? query : document,
    );
    return tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
  }
  const { addBos, addEos, addSepBetween, bosToken, sepToken, eosToken = sepToken } = tokenizer;
  const when = (added: boolean, token: number | undefined): number[] =>
    added && token !== undefined ? [token] : [];
  return [
    ...when(addBos, bosToken),
    ...tokenizer.encode(query),
    ...when(addEos, eosToken),
    ...when(addSepBetween, sepToken),
    ...tokenizer.encode(document),
    ...when(addEos, eosToken),
  ];
}
