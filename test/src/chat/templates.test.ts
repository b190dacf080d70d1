// The chat templates of real models, beside the project: every one renders, with and without tools, and where a maker has
// published the format, to that text.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ChatCapabilities } from "../../../src/chat/index.ts";
import { sharedOrWarn, sharedPath } from "../tokenizer/vocabulary-files.ts";
import { CONVERSATION, formatOf, NOW, TOOLS } from "./conversations.ts";

const FOLDER = "reference/chat-templates";
const present = sharedOrWarn(FOLDER);
const FILES = present ? readdirSync(sharedPath(FOLDER)!).filter((f) => f.endsWith(".jinja")) : [];
const read = (file: string): string => readFileSync(`${sharedPath(FOLDER)!}/${file}`, "utf8");

const ALL = "system tools calls parallel results";
/** What each can show, by name's beginning; `text`: calls want their arguments as text. */
const CAPABLE: readonly (readonly [prefix: string, capabilities: string])[] = [
  ["CohereForAI", ALL],
  ["NousResearch", ALL],
  ["Qwen", ALL],
  ["mistralai-Mistral-Nemo", ALL],
  ["meta-llama", "system tools calls results"],
  ["fireworks", `${ALL} text`],
  ["meetkai", `${ALL} text`],
  ["llama-cpp-deepseek-r1", `${ALL} text`],
  ["deepseek-ai", "system calls parallel results text"],
  ["microsoft-Phi-3.5", "system"],
  ["google-gemma-2", ""],
];

/** The whole text for CONVERSATION. */
const EXACT: Readonly<Record<string, string>> = {
  "Qwen-Qwen2.5-7B-Instruct":
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n" +
    "<|im_start|>assistant\nA model.<|im_end|>\n<|im_start|>user\nWhich?<|im_end|>\n" +
    "<|im_start|>assistant\n",
  "google-gemma-2-2b-it":
    "<s><start_of_turn>user\nBe brief.\n\nWho are you?<end_of_turn>\n<start_of_turn>model\n" +
    "A model.<end_of_turn>\n<start_of_turn>user\nWhich?<end_of_turn>\n<start_of_turn>model\n",
  "microsoft-Phi-3.5-mini-instruct":
    "<|system|>\nBe brief.<|end|>\n<|user|>\nWho are you?<|end|>\n<|assistant|>\nA model.<|end|>\n" +
    "<|user|>\nWhich?<|end|>\n<|assistant|>\n",
  "mistralai-Mistral-Nemo-Instruct-2407":
    "<s>[INST]Who are you?[/INST]A model.</s>[INST]Be brief.\n\nWhich?[/INST]",
  "meta-llama-Llama-3.2-3B-Instruct":
    "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n" +
    "Today Date: 04 Mar 2025\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n" +
    "Who are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA model.<|eot_id|>" +
    "<|start_header_id|>user<|end_header_id|>\n\nWhich?<|eot_id|>" +
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
  "deepseek-ai-DeepSeek-R1-Distill-Llama-8B":
    "<s>Be brief.<｜User｜>Who are you?<｜Assistant｜>A model.<｜end▁of▁sentence｜><｜User｜>Which?" +
    "<｜Assistant｜><think>\n",
};

function words(c: ChatCapabilities): string {
  const { systemRole, tools, toolCalls, parallelToolCalls, toolResults, toolArguments } = c;
  const all = Object.entries({
    system: systemRole,
    tools,
    calls: toolCalls,
    parallel: parallelToolCalls,
    results: toolResults,
    text: toolArguments === "text",
  });
  return all.flatMap(([word, has]) => (has ? [word] : [])).join(" ");
}

describe.skipIf(!present)("templates of real models", () => {
  it("are all here", () => {
    expect(FILES).toHaveLength(17);
    for (const name of Object.keys(EXACT)) expect(FILES).toContain(`${name}.jinja`);
  });

  it("indent what is nested in a tool's parameters (functionary)", async () => {
    const days = {
      type: "array",
      items: { type: "object", properties: { day: { type: "number" } } },
    };
    const tool = { name: "plan", parameters: { type: "object", properties: { days } } };
    const format = formatOf({ "": read("meetkai-functionary-medium-v3.2.jinja") });
    const { text } = await format.render(CONVERSATION, { tools: [tool] });
    expect(text).toMatch(/days\?: \{\n {4}day\?: number,\n\}\[\],/);
  });

  describe.each(FILES)("%s", (file) => {
    const format = formatOf({ "": read(file) });
    const capable = CAPABLE.find(([prefix]) => file.startsWith(prefix))![1];

    it("can show what it can show", async () => {
      const found = (await format.capabilities())!;
      expect(words(found)).toBe(capable);
      expect(found.content).toBe("text");
    });

    it("renders a conversation", async () => {
      const { text, warnings, template } = await format.render(CONVERSATION, { now: NOW });
      expect([template, warnings]).toEqual(["default", []]);
      const exact = EXACT[file.replace(".jinja", "")];
      if (exact !== undefined) expect(text).toBe(exact);
      const places = CONVERSATION.map(({ content }) => text.indexOf(content as string));
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
      // Mistral puts the system's words before the last of the user's
      const users = file.startsWith("mistralai") ? places.slice(1) : places;
      expect(users).toEqual([...users].sort((a, b) => a - b));
      const { text: whole } = await format.render(CONVERSATION, {
        now: NOW,
        addGenerationPrompt: false,
      });
      expect(whole.includes("Which?")).toBe(true);
    });

    it("renders tools, calls and results, or says that it cannot", async () => {
      const asked = format.render(CONVERSATION, { tools: TOOLS, now: NOW });
      if (!capable.includes("tools")) {
        await expect(asked).rejects.toMatchObject({
          name: "ChatTemplateError",
          failure: "unsupported",
          message: expect.stringMatching(/^tools: expected a template that shows tools/),
        });
        return;
      }
      const { text, warnings } = await asked;
      expect(warnings).toEqual([]);
      for (const part of ["get_weather", "the weather of a city", "city", "Which?"])
        expect(text).toContain(part);
      for (const given of [{ city: "Oslo" }, '{"city": "Oslo"}']) {
        const called = await format.render(
          [
            ...CONVERSATION.slice(0, 2),
            {
              role: "assistant",
              tool_calls: [
                {
                  id: "call00001",
                  type: "function",
                  function: { name: "get_weather", arguments: given },
                },
              ],
            },
            { role: "tool", name: "get_weather", tool_call_id: "call00001", content: "4 degrees" },
          ],
          { tools: TOOLS, now: NOW },
        );
        expect(called.text).toMatch(/"city": ?"Oslo"/);
        expect(called.text).toContain("4 degrees");
      }
    });
  });
});
