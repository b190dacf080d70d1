// The chat templates that a GGUF file brings: `tokenizer.chat_template`, and others by name in
// `tokenizer.chat_template.NAME`, of which `tokenizer.chat_templates` lists the names.

import type { MetadataValue } from "../../formats/index.ts";

const KEY = "tokenizer.chat_template";
/** The name of the template under KEY itself. */
export const DEFAULT_VARIANT = "default";

/** Templates by name, in the file's order. Keys of another type than string are passed over: the family serves then. */
export function readVariants(metadata: ReadonlyMap<string, MetadataValue>): Map<string, string> {
  const variants = new Map<string, string>();
  for (const [key, value] of metadata) {
    if (value.type !== "string") continue;
    if (key === KEY) variants.set(DEFAULT_VARIANT, value.value);
    // Not by the list of names: files that were edited have templates that it does not name.
    else if (key.startsWith(`${KEY}.`)) variants.set(key.slice(KEY.length + 1), value.value);
  }
  return variants;
}

/** The name of the variant for a conversation: `tool_use` for tools, `rag` for documents, otherwise the default. */
export function chooseVariant(
  names: Iterable<string>,
  given: { readonly tools: boolean; readonly documents: boolean },
): string | undefined {
  const all = new Set(names);
  const wanted = [given.tools && "tool_use", given.documents && "rag", DEFAULT_VARIANT];
  const [first] = all;
  return wanted.find((name): name is string => typeof name === "string" && all.has(name)) ?? first;
}
