// Conversations, tools and chat formats over small vocabularies, for the tests of src/chat.

import { ChatFormat, type ChatMessage, type ChatTool } from "../../../src/chat/index.ts";
import { createTokenizer } from "../../../src/tokenizer/index.ts";
import { type Metadata, tinyBpe } from "../tokenizer/tiny.ts";

/** system, user, assistant, user. */
export const CONVERSATION: readonly ChatMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Who are you?" },
  { role: "assistant", content: "A model." },
  { role: "user", content: "Which?" },
];

export const TOOLS: readonly ChatTool[] = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "the weather of a city",
      parameters: {
        type: "object",
        properties: { city: { type: "string", description: "its name" } },
        required: ["city"],
      },
    },
  },
];

export const NOW = new Date("2025-03-04T05:06:07Z");

/** A format with these templates (by variant; "" is the default) over the 256 bytes and `special` tokens. */
export function formatOf(
  templates: Readonly<Record<string, string>>,
  special: readonly string[] = ["<s>", "</s>"],
  more: Record<string, unknown> = {},
): ChatFormat {
  const { metadata } = vocabulary(special, more);
  for (const [name, value] of Object.entries(templates))
    metadata.set(`tokenizer.chat_template${name && `.${name}`}`, { type: "string", value });
  return new ChatFormat({ metadata }, createTokenizer({ metadata }));
}

/** Ids: bytes 0 to 255, then `special`, of which `<s>` is BOS and `</s>` EOS. */
export function vocabulary(
  special: readonly string[],
  more: Record<string, unknown> = {},
): { metadata: Metadata } {
  const id = (text: string): Record<string, number> => {
    const at = special.indexOf(text);
    return at < 0 ? {} : { [`${text === "<s>" ? "bos" : "eos"}_token_id`]: 256 + at };
  };
  return tinyBpe([], special, { ...id("<s>"), ...id("</s>"), ...more });
}
