import { describe, expect, it } from "vitest";
import {
  CHAT_FAMILIES,
  detectFamily,
  familyByName,
  renderFamily,
} from "../../../src/chat/families.ts";
import { CONVERSATION, formatOf } from "./conversations.ts";

/** Formats that their makers publish, BOS left out: the tokenizer adds it. */
const PUBLISHED: Readonly<Record<string, string>> = {
  chatml:
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n" +
    "<|im_start|>assistant\nA model.<|im_end|>\n<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n",
  llama2:
    "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWho are you? [/INST] A model. </s><s>[INST] Which? [/INST]",
  llama3:
    "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" +
    "<|start_header_id|>user<|end_header_id|>\n\nWho are you?<|eot_id|>" +
    "<|start_header_id|>assistant<|end_header_id|>\n\nA model.<|eot_id|>" +
    "<|start_header_id|>user<|end_header_id|>\n\nWhich?<|eot_id|>" +
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
  gemma:
    "<start_of_turn>user\nBe brief.\n\nWho are you?<end_of_turn>\n<start_of_turn>model\nA model.<end_of_turn>\n" +
    "<start_of_turn>user\nWhich?<end_of_turn>\n<start_of_turn>model\n",
  phi3:
    "<|system|>\nBe brief.<|end|>\n<|user|>\nWho are you?<|end|>\n<|assistant|>\nA model.<|end|>\n" +
    "<|user|>\nWhich?<|end|>\n<|assistant|>\n",
  "mistral-v7":
    "[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Who are you?[/INST]A model.</s>[INST]Which?[/INST]",
  "mistral-v3": "[INST] Be brief.\n\nWho are you?[/INST] A model.</s>[INST] Which?[/INST]",
  deepseek3:
    "Be brief.\n\n<｜User｜>Who are you?<｜Assistant｜>A model.<｜end▁of▁sentence｜><｜User｜>Which?<｜Assistant｜>",
  granite:
    "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n" +
    "<|start_of_role|>user<|end_of_role|>Who are you?<|end_of_text|>\n" +
    "<|start_of_role|>assistant<|end_of_role|>A model.<|end_of_text|>\n" +
    "<|start_of_role|>user<|end_of_role|>Which?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
};

describe.each(CHAT_FAMILIES)("$name", (family) => {
  it("shows every message once, in order, and what the model goes on from", async () => {
    const { text } = await formatOf({}).render(CONVERSATION, { template: family.name });
    const places = CONVERSATION.map(({ content }) => text.indexOf(content as string));
    expect(places.every((place, i) => place > (places[i - 1] ?? -1))).toBe(true);
    expect(text.endsWith(family.generation)).toBe(true);
    expect(text.startsWith(family.begin ?? "")).toBe(true);
    expect(text).not.toMatch(/\{\}|\{role\}/);
    if (family.name in PUBLISHED) expect(text).toBe(PUBLISHED[family.name]);
  });

  it("is recognised by a template with its marks, and by its tokens", () => {
    const byTemplate = detectFamily(family.marks.join(" "), () => false, "");
    expect(byTemplate).toEqual({ family, why: "by the template's text" });
    const tokens = family.tokens ?? family.marks;
    if (tokens.length > 0) {
      const byTokens = detectFamily(undefined, (text) => tokens.includes(text), "");
      expect(byTokens).toEqual({ family, why: "by the vocabulary" });
    }
  });

  it("is recognised by its architectures where nothing else tells", () => {
    for (const architecture of family.architectures ?? [])
      expect(detectFamily(undefined, () => false, architecture).family).toBe(family);
  });
});

it("is ChatML where nothing tells", () => {
  expect(detectFamily("", () => false, "unheard-of")).toEqual({
    family: familyByName("chatml"),
    why: "for want of any sign",
  });
});

it("trims where the family does", () => {
  const text = (name: string): string =>
    renderFamily(familyByName(name)!, [{ role: "user", content: " x " }], false);
  expect(text("llama3")).toContain("\n\nx<|eot_id|>");
  expect(text("chatml")).toContain("\n x <|im_end|>");
});

it("text with a replacement pattern is text", () => {
  expect(
    renderFamily(familyByName("chatml")!, [{ role: "user", content: "$& $1 {}" }], false),
  ).toBe("<|im_start|>user\n$& $1 {}<|im_end|>\n");
});
