// How families of models write a conversation, as a table: for files without a template, or with one that does not work.
// Facts: the formats that the makers publish, and llama.cpp's src/llama-chat.cpp, whose names and order of recognition
// these are.

import { textOf, type ChatMessage } from "./messages.ts";

/** `{}` stands for a message's text. */
export interface ChatFamily {
  readonly name: string;
  /** A template with all of these in its text is of the family. */
  readonly marks: readonly string[];
  /** A vocabulary with all of these is, too; empty: none tells it. Default: the marks. */
  readonly tokens?: readonly string[];
  /** Architectures of which this is the usual format, for vocabularies without a sign. */
  readonly architectures?: readonly string[];
  /** Before the first message. The tokenizer adds BOS. */
  readonly begin?: string;
  /** Undefined: the family has no such message. */
  readonly system?: string;
  /** How a system text stands before the first user's, in families without a message for it. */
  readonly systemInUser?: string;
  readonly user: string;
  readonly assistant: string;
  /** What the model goes on from. */
  readonly generation: string;
  /** White space around a message's text is dropped. */
  readonly trims?: boolean;
}

/** System texts of models without a system role: so Gemma's documentation does it, and Gemma 3's own template. */
export const SYSTEM_IN_USER = "{}\n\n";

/** One format for all roles, `{role}` being its name. */
function sameForAll(
  name: string,
  marks: readonly string[],
  message: string,
  generation: string,
  more: Partial<ChatFamily> = {},
): ChatFamily {
  const of = (role: string): string => message.replace("{role}", role);
  const [system, user, assistant] = [of("system"), of("user"), of("assistant")];
  return { name, marks, system, user, assistant, generation, ...more };
}

/** In the order in which they are looked for: a family whose marks are among another's comes after it. */
export const CHAT_FAMILIES: readonly ChatFamily[] = [
  sameForAll(
    "phi4",
    ["<|im_start|>", "<|im_sep|>"],
    "<|im_start|>{role}<|im_sep|>{}<|im_end|>",
    "<|im_start|>assistant<|im_sep|>",
  ),
  {
    name: "smolvlm",
    marks: ["<|im_start|>", "<end_of_utterance>"],
    begin: "<|im_start|>",
    system: "{}\n\n",
    user: "User: {}<end_of_utterance>\n",
    assistant: "Assistant: {}<end_of_utterance>\n",
    generation: "Assistant:",
  },
  sameForAll(
    "chatml",
    ["<|im_start|>"],
    "<|im_start|>{role}\n{}<|im_end|>\n",
    "<|im_start|>assistant\n",
  ),
  {
    name: "mistral-v7",
    marks: ["[INST]", "[SYSTEM_PROMPT]"],
    architectures: ["mistral3"],
    system: "[SYSTEM_PROMPT]{}[/SYSTEM_PROMPT]",
    user: "[INST]{}[/INST]",
    assistant: "{}</s>",
    generation: "",
  },
  {
    name: "mistral-v3-tekken",
    marks: ['"[INST]"', "[AVAILABLE_TOOLS]"],
    tokens: ["[INST]", "[AVAILABLE_TOOLS]"],
    user: "[INST]{}[/INST]",
    assistant: "{}</s>",
    generation: "",
  },
  {
    name: "mistral-v3",
    marks: ["[INST]", "[AVAILABLE_TOOLS]"],
    tokens: [],
    user: "[INST] {}[/INST]",
    assistant: " {}</s>",
    generation: "",
    trims: true,
  },
  {
    name: "mistral-v1",
    marks: ["' [INST] ' + system_message"],
    user: " [INST] {} [/INST]",
    assistant: " {}</s>",
    generation: "",
  },
  {
    name: "llama2",
    marks: ["[INST]"],
    tokens: [],
    architectures: ["llama"],
    systemInUser: "<<SYS>>\n{}\n<</SYS>>\n\n",
    user: "[INST] {} [/INST]",
    assistant: " {} </s><s>",
    generation: "",
    trims: true,
  },
  sameForAll("phi3", ["<|assistant|>", "<|end|>"], "<|{role}|>\n{}<|end|>\n", "<|assistant|>\n", {
    architectures: ["phi3", "phimoe"],
  }),
  sameForAll("chatglm4", ["[gMASK]<sop>"], "<|{role}|>\n{}", "<|assistant|>\n", {
    tokens: ["[gMASK]", "<sop>"],
    architectures: ["chatglm", "glm4", "glm4moe"],
    begin: "[gMASK]<sop>",
  }),
  sameForAll(
    "falcon3",
    ["<|assistant|>", "<|user|>", "</s>"],
    "<|{role}|>\n{}\n",
    "<|assistant|>\n",
    { tokens: [] },
  ),
  sameForAll(
    "zephyr",
    ["<|user|>", "<|endoftext|>"],
    "<|{role}|>\n{}<|endoftext|>\n",
    "<|assistant|>\n",
  ),
  sameForAll("glmedge", ["<|assistant|>", "<|user|>"], "<|{role}|>\n{}", "<|assistant|>"),
  sameForAll("monarch", ["bos_token + message['role']"], "<s>{role}\n{}</s>\n", "<s>assistant\n"),
  {
    name: "gemma",
    marks: ["<start_of_turn>"],
    architectures: ["gemma", "gemma2", "gemma3", "gemma3n"],
    systemInUser: SYSTEM_IN_USER,
    user: "<start_of_turn>user\n{}<end_of_turn>\n",
    assistant: "<start_of_turn>model\n{}<end_of_turn>\n",
    generation: "<start_of_turn>model\n",
    trims: true,
  },
  {
    name: "orion",
    marks: ["'\\n\\nAssistant: ' + eos_token"],
    architectures: ["orion"],
    user: "Human: {}\n\nAssistant: </s>",
    assistant: "{}</s>",
    generation: "",
  },
  {
    name: "openchat",
    marks: ["GPT4 Correct "],
    system: "{}<|end_of_turn|>",
    user: "GPT4 Correct User: {}<|end_of_turn|>",
    assistant: "GPT4 Correct Assistant: {}<|end_of_turn|>",
    generation: "GPT4 Correct Assistant:",
  },
  {
    name: "vicuna-orca",
    marks: ["USER: ", "ASSISTANT: ", "SYSTEM: "],
    system: "SYSTEM: {}\n",
    user: "USER: {}\n",
    assistant: "ASSISTANT: {}</s>\n",
    generation: "ASSISTANT:",
  },
  {
    name: "vicuna",
    marks: ["USER: ", "ASSISTANT: "],
    system: "{}\n\n",
    user: "USER: {}\n",
    assistant: "ASSISTANT: {}</s>\n",
    generation: "ASSISTANT:",
  },
  {
    name: "deepseek",
    marks: ["### Instruction:", "<|EOT|>"],
    tokens: ["<|EOT|>"],
    system: "{}",
    user: "### Instruction:\n{}\n",
    assistant: "### Response:\n{}\n<|EOT|>\n",
    generation: "### Response:\n",
  },
  {
    name: "command-r",
    marks: ["<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"],
    architectures: ["command-r", "cohere2"],
    system: "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{}<|END_OF_TURN_TOKEN|>",
    user: "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{}<|END_OF_TURN_TOKEN|>",
    assistant: "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{}<|END_OF_TURN_TOKEN|>",
    generation: "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    trims: true,
  },
  sameForAll(
    "llama3",
    ["<|start_header_id|>", "<|end_header_id|>"],
    "<|start_header_id|>{role}<|end_header_id|>\n\n{}<|eot_id|>",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    { trims: true },
  ),
  sameForAll("chatglm3", ["[gMASK]sop"], "<|{role}|>\n {}", "<|assistant|>", {
    begin: "[gMASK]sop",
    tokens: ["[gMASK]", "sop"],
  }),
  {
    name: "minicpm",
    marks: ["<用户>"],
    tokens: [],
    architectures: ["minicpm"],
    system: "{}",
    user: "<用户>{}<AI>",
    assistant: "{}",
    generation: "",
    trims: true,
  },
  {
    name: "deepseek2",
    marks: ["'Assistant: ' + message['content'] + eos_token"],
    system: "{}\n\n",
    user: "User: {}\n\n",
    assistant: "Assistant: {}<｜end▁of▁sentence｜>",
    generation: "Assistant:",
  },
  {
    name: "deepseek3",
    marks: ["<｜Assistant｜>", "<｜User｜>", "<｜end▁of▁sentence｜>"],
    architectures: ["deepseek2"],
    system: "{}\n\n",
    user: "<｜User｜>{}",
    assistant: "<｜Assistant｜>{}<｜end▁of▁sentence｜>",
    generation: "<｜Assistant｜>",
  },
  {
    name: "exaone",
    marks: ["[|system|]", "[|assistant|]", "[|endofturn|]"],
    architectures: ["exaone", "exaone4"],
    system: "[|system|]{}[|endofturn|]\n",
    user: "[|user|]{}\n",
    assistant: "[|assistant|]{}[|endofturn|]\n",
    generation: "[|assistant|]",
    trims: true,
  },
  {
    name: "rwkv-world",
    marks: ["'User: ' + message['content']|trim"],
    architectures: ["rwkv6", "rwkv7"],
    system: "System: {}\n\n",
    user: "User: {}\n\n",
    assistant: "Assistant: {}\n\n",
    generation: "Assistant:",
    trims: true,
  },
  sameForAll(
    "granite",
    ["<|start_of_role|>"],
    "<|start_of_role|>{role}<|end_of_role|>{}<|end_of_text|>\n",
    "<|start_of_role|>assistant<|end_of_role|>",
    { architectures: ["granite", "granitemoe", "granitehybrid"] },
  ),
  {
    name: "gigachat",
    marks: ["additional_special_tokens[0] + message['content'] + additional_special_tokens[1]"],
    tokens: ["<|role_sep|>", "<|message_sep|>"],
    begin: "<s>",
    system: "{}<|message_sep|>",
    user: "user<|role_sep|>{}<|message_sep|>available functions<|role_sep|>[]<|message_sep|>",
    assistant: "assistant<|role_sep|>{}<|message_sep|>",
    generation: "assistant<|role_sep|>",
  },
  sameForAll(
    "megrez",
    ["<|role_start|>"],
    "<|role_start|>{role}<|role_end|>{}<|turn_end|>",
    "<|role_start|>assistant<|role_end|>",
  ),
  {
    name: "yandex",
    marks: [" Ассистент:"],
    tokens: [],
    user: " Пользователь: {}\n\n",
    assistant: " Ассистент: {}\n\n",
    generation: " Ассистент:[SEP]",
  },
  {
    name: "bailing",
    marks: ["<role>ASSISTANT</role>", "'HUMAN'"],
    tokens: [],
    architectures: ["bailingmoe"],
    system: "<role>SYSTEM</role>{}",
    user: "<role>HUMAN</role>{}",
    assistant: "<role>ASSISTANT</role>{}",
    generation: "<role>ASSISTANT</role>",
  },
  sameForAll(
    "llama4",
    ["<|header_start|>", "<|header_end|>"],
    "<|header_start|>{role}<|header_end|>\n\n{}<|eot|>",
    "<|header_start|>assistant<|header_end|>\n\n",
    { architectures: ["llama4"], trims: true },
  ),
  {
    name: "dots1",
    marks: ["<|endofuserprompt|>"],
    system: "<|system|>{}<|endofsystem|>",
    user: "<|userprompt|>{}<|endofuserprompt|>",
    assistant: "<|response|>{}<|endofresponse|>",
    generation: "<|response|>",
  },
  {
    name: "hunyuan-moe",
    marks: ["<|startoftext|>", "<|extra_4|>"],
    system: "<|startoftext|>{}<|extra_4|>",
    user: "<|startoftext|>{}<|extra_0|>",
    assistant: "{}<|eos|>",
    generation: "",
  },
  {
    name: "hunyuan-dense",
    marks: ["<｜hy_place▁holder▁no▁2｜>", "<｜hy_place▁holder▁no▁3｜>"],
    begin: "<｜hy_begin▁of▁sentence｜>",
    system: "{}<｜hy_place▁holder▁no▁3｜>",
    user: "<｜hy_User｜>{}",
    assistant: "<｜hy_Assistant｜>{}<｜hy_place▁holder▁no▁2｜>",
    generation: "<｜hy_Assistant｜>",
  },
  {
    name: "kimi-k2",
    marks: ["<|im_assistant|>assistant<|im_middle|>"],
    tokens: ["<|im_assistant|>", "<|im_middle|>"],
    system: "<|im_system|>system<|im_middle|>{}<|im_end|>",
    user: "<|im_user|>user<|im_middle|>{}<|im_end|>",
    assistant: "<|im_assistant|>assistant<|im_middle|>{}<|im_end|>",
    generation: "<|im_assistant|>assistant<|im_middle|>",
  },
];

/** What most models of unknown make were tuned with. */
const DEFAULT = "chatml";

export function familyByName(name: string): ChatFamily | undefined {
  return CHAT_FAMILIES.find((family) => family.name === name);
}

/** The family, and how it was found out. */
export function detectFamily(
  template: string | undefined,
  hasToken: (text: string) => boolean,
  architecture: string,
): { readonly family: ChatFamily; readonly why: string } {
  const byTemplate = CHAT_FAMILIES.find(({ marks }) =>
    marks.every((mark) => template?.includes(mark)),
  );
  if (byTemplate) return { family: byTemplate, why: "by the template's text" };
  const byTokens = CHAT_FAMILIES.find(
    ({ marks, tokens = marks }) => tokens.length > 0 && tokens.every(hasToken),
  );
  if (byTokens) return { family: byTokens, why: "by the vocabulary" };
  const byArchitecture = CHAT_FAMILIES.find((f) => f.architectures?.includes(architecture));
  if (byArchitecture) return { family: byArchitecture, why: `by the architecture ${architecture}` };
  return { family: familyByName(DEFAULT)!, why: "for want of any sign" };
}

/** The conversation in the family's format. Tools have no place in it. */
export function renderFamily(
  family: ChatFamily,
  messages: readonly ChatMessage[],
  addGenerationPrompt: boolean,
): string {
  let text = family.begin ?? "";
  for (const message of messages) {
    const format =
      message.role === "assistant"
        ? family.assistant
        : message.role === "system"
          ? family.system!
          : family.user;
    const content = family.trims ? textOf(message).trim() : textOf(message);
    text += format.replace("{}", () => content);
  }
  return addGenerationPrompt ? text + family.generation : text;
}
