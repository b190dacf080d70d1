// Special tokens that the file does not name: end-of-turn, end-of-message, fill-in-the-middle and
// every token that ends a generation are known by their texts, as llama.cpp knows them
// (src/llama-vocab.cpp, load, "auto-detect special tokens by text" and the attribute rules).
import { ATTRIBUTE, type SpecialRole, type Vocabulary } from "./vocabulary.ts";

// Where a vocabulary has several, the first of the list is taken (llama.cpp takes any of them).
const TEXTS_OF_ROLE: { readonly [role in SpecialRole]?: readonly string[] } = {
  eot: [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
  ],
  eom: ["<|eom_id|>"],
  fimPre: [
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
  ],
  fimSuf: [
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
  ],
  fimMid: [
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
  ],
  fimPad: ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
  fimRep: ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
  fimSep: ["<|file_sep|>"],
};

const END_OF_GENERATION = [
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|flush|>",
  "<|calls|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "</s>",
  "<|eom_id|>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "<|end_of_text|>",
  "<end_of_utterance>",
  "<eos>",
  "<turn|>",
  "<|tool_response>",
  "<｜end▁of▁sentence｜>",
  "[e~[",
];

// gpt-oss: the frame of its messages is text that a caller must see.
const ALWAYS_RENDERED = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/** Fills in missing roles, corrects attributes, and returns the ids that end a generation. */
export function detectSpecialTokens(vocabulary: Vocabulary): Set<number> {
  const { ids, attributes, special } = vocabulary;
  for (const [role, texts] of Object.entries(TEXTS_OF_ROLE) as [SpecialRole, string[]][]) {
    if (special[role] !== undefined) continue;
    const found = texts.find((text) => ids.has(text));
    if (found === undefined) continue;
    special[role] = ids.get(found)!;
    attributes[special[role]] |= ATTRIBUTE.control;
  }

  const ends = new Set<number>();
  const add = (id: number | undefined) => {
    if (id !== undefined) ends.add(id);
  };
  add(special.fimPad);
  add(special.fimRep);
  add(special.fimSep);
  for (const text of END_OF_GENERATION) {
    const id = ids.get(text);
    if (id === undefined) continue;
    ends.add(id);
    // Phi-3 has </s> as a user-defined token, which texts may contain; it stays one.
    if (text !== "</s>") attributes[id] |= ATTRIBUTE.control;
  }
  for (const text of ALWAYS_RENDERED) {
    const id = ids.get(text);
    if (id !== undefined) attributes[id] = ATTRIBUTE.userDefined;
  }
  add(special.eos);
  add(special.eot);
  add(special.eom);

  // gpt-oss and solar-open end a message, not the answer, with <|end|>.
  const has = (text: string) => ends.has(ids.get(text) ?? -1);
  const calls = has("<|call|>") || has("<|calls|>");
  if (calls && (has("<|return|>") || has("<|flush|>"))) {
    remove(vocabulary, ends, "<|end|>", ATTRIBUTE.userDefined);
  }
  // gemma 4 has an ordinary token </s>.
  if (has("<|tool_response>")) remove(vocabulary, ends, "</s>", ATTRIBUTE.normal);
  return ends;
}

function remove(vocabulary: Vocabulary, ends: Set<number>, text: string, attribute: number): void {
  const id = vocabulary.ids.get(text);
  if (id !== undefined && ends.delete(id)) vocabulary.attributes[id] = attribute;
}

/** Tokens that are cut out of a text before it is split: control, user-defined and unknown. */
export function specialTokenIds({ attributes }: Vocabulary): number[] {
  const mask = ATTRIBUTE.control | ATTRIBUTE.userDefined | ATTRIBUTE.unknown;
  const ids: number[] = [];
  for (let id = 0; id < attributes.length; id++) if ((attributes[id] & mask) !== 0) ids.push(id);
  return ids;
}

/** GGUF has no key for white space that belongs to a token: llama.cpp goes by the model. */
export function setStripAttributes(
  vocabulary: Vocabulary,
  { name, pre, architecture }: { name: string; pre: string; architecture: string },
): void {
  const { ids, attributes } = vocabulary;
  const change = (text: string, bit: number, on: boolean) => {
    const id = ids.get(text);
    if (id !== undefined) attributes[id] = on ? attributes[id] | bit : attributes[id] & ~bit;
  };
  const lowerName = asciiLower(name);
  if (/jina-v2-(de|es|code)/.test(pre) || /nomic-bert-moe|jina-bert-v3/.test(architecture)) {
    change("<mask>", ATTRIBUTE.stripLeft, true);
  } else if (lowerName.includes("phi-3") || lowerName.includes("phi3")) {
    for (const id of specialTokenIds(vocabulary)) attributes[id] |= ATTRIBUTE.stripRight;
    change("</s>", ATTRIBUTE.stripRight, true);
    for (const text of ["<unk>", "<s>", "<|endoftext|>"]) {
      change(text, ATTRIBUTE.stripRight, false);
    }
  } else if (lowerName.includes("modern-bert")) {
    change("[MASK]", ATTRIBUTE.stripLeft, true);
  }
}

// Not toLowerCase: the same letters on every engine, whatever its Unicode version.
function asciiLower(text: string): string {
  return text.replace(/[A-Z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 32));
}
