// Answers to conversations: the prompt, where an answer ends, and that a session which goes on from earlier turns gives
// the bits of a fresh one.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChatMessage, ChatOptions, Model } from "../../src/index.ts";
import { built, EMBEDDED } from "../built.ts";
import { bitsOf, failureOf } from "./special-models.ts";

const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}# {{ m.role }}\n\n{{ m.content }}\n\n{% endfor %}" +
  "{% if add_generation_prompt %}# assistant\n{% endif %}";
const greedy = { temperature: 0, maxTokens: 24, template: TEMPLATE } as const;
const user = (content: string): ChatMessage => ({ role: "user", content });

let model: Model;
beforeAll(async () => {
  model = await built.loadModel(EMBEDDED, { threads: 2, nCtx: 512, nSequences: 2 });
});
afterAll(() => model.close());

describe("an answer", () => {
  it("is what the model writes after the conversation's tokens", async () => {
    const messages = [{ role: "system", content: "Write pages." }, user("git stash")];
    const answer = model.chat(messages, { ...greedy, seed: 3 });
    expect([answer.prompt, answer.stopReason, answer.tokens]).toEqual([undefined, undefined, []]);
    const text = await answer.text();
    expect(answer.prompt!.text).toBe(
      "<s># system\n\nWrite pages.\n\n# user\n\ngit stash\n\n# assistant\n",
    );
    const plain = model.generate(answer.prompt!.tokens, { temperature: 0, maxTokens: 24, seed: 3 });
    expect(await plain.text()).toBe(text);
    expect(answer.tokens).toEqual(plain.tokens);
    expect([answer.stopReason, answer.seed]).toEqual([plain.stopReason, plain.seed]);
    expect(answer.cachedTokens).toBe(0);
  });

  it("streams, and ends at an end token, a stop text or a limit", async () => {
    const pieces: string[] = [];
    for await (const piece of model.chat([user("tar")], greedy)) pieces.push(piece);
    const text = pieces.join("");
    expect(pieces.length).toBeGreaterThan(5);
    for (const [options, expected, reason] of [
      [{ maxTokens: 3 }, undefined, "length"],
      [{ stop: [text.slice(6, 9)] }, text.slice(0, text.indexOf(text.slice(6, 9))), "stop"],
      [{ logitBias: { [model.tokenizer.eosToken!]: 1000 } }, "", "end"],
    ] as [ChatOptions, string | undefined, string][]) {
      const answer = model.chat([user("tar")], { ...greedy, ...options });
      const found = await answer.text();
      if (expected !== undefined) expect(found).toBe(expected);
      expect(answer.stopReason).toBe(reason);
    }
  });

  it("warns of a model without a template", async () => {
    const answer = model.chat([user("tar")], { temperature: 0, maxTokens: 1 });
    await answer.text();
    expect(answer.prompt!.template).toBe("llama2");
    expect(answer.warnings).toEqual([expect.stringMatching(/found none in the file/)]);
  });

  it("fails for what cannot be written or is iterated twice, before anything is evaluated", async () => {
    expect(await failureOf(model.chat([], greedy).text())).toMatchObject({ name: "OptionError" });
    const refusing = { ...greedy, template: "{{ raise_exception('no') }}" };
    expect(await failureOf(model.chat([user("x")], refusing).text())).toMatchObject({
      name: "ChatTemplateError",
      failure: "refused",
    });
    const answer = model.chat([user("x")], { ...greedy, maxTokens: 1 });
    await answer.text();
    expect(await failureOf(answer.text())).toMatchObject({ name: "OptionError" });
  });
});

describe("a session over several turns", () => {
  const QUESTIONS = ["git stash", "and how do I get it back?", "git stash", "thanks"];

  it("evaluates what is new only, and gives the bits of a fresh run", async () => {
    const session = model.createSession();
    const sampled = { ...greedy, temperature: 0.8, seed: 11, maxTokens: 12 };
    const messages: ChatMessage[] = [];
    for (const [turn, question] of QUESTIONS.entries()) {
      messages.push(user(question));
      const held = [...session.tokens];
      const answer = model.chat(messages, { ...sampled, session });
      const text = await answer.text();
      const fresh = model.chat(messages, sampled);
      expect(await fresh.text()).toBe(text);
      expect(answer.tokens).toEqual(fresh.tokens);

      const prompt = answer.prompt!.tokens;
      let common = 0;
      while (common < held.length && held[common] === prompt[common]) common++;
      expect(answer.cachedTokens).toBe(common);
      if (turn > 0) expect(common).toBeGreaterThan(10);
      // the token drawn last is not part of the history yet
      const history = [...prompt, ...answer.tokens.slice(0, -1)];
      expect(session.tokens).toEqual(history);
      const copy = session.copy();
      const next: Float32Array[] = [];
      await copy.evaluate([5], { onLogits: (row) => void next.push(row.slice()) });
      copy.close();
      const [expected] = await model.logits([...history, 5], { outputs: "last" });
      expect(bitsOf(next)).toEqual(bitsOf([expected]));
      messages.push({ role: "assistant", content: text });
    }
    session.close();
  });

  it("goes back where a message was changed, and serves another conversation", async () => {
    const session = model.createSession();
    for (const question of ["git stash", "git status", "tar"]) {
      const answer = model.chat([user(question)], { ...greedy, session });
      expect(await answer.text()).toBe(await model.chat([user(question)], greedy).text());
    }
    const same = model.chat([user("tar")], { ...greedy, session });
    await same.text();
    expect(same.cachedTokens).toBe(same.prompt!.tokens.length - 1);
    session.close();
  });

  it("stays usable after an answer that was stopped", async () => {
    const session = model.createSession(),
      controller = new AbortController();
    let pieces = 0;
    const stopped = (async () => {
      const options = { ...greedy, session, signal: controller.signal };
      for await (const _ of model.chat([user("tar")], options))
        if (++pieces === 3) controller.abort();
    })();
    expect(await failureOf(stopped)).toMatchObject({ failure: "cancelled" });
    const again = model.chat([user("tar")], { ...greedy, session });
    expect(await again.text()).toBe(await model.chat([user("tar")], greedy).text());
    expect(again.cachedTokens).toBe(again.prompt!.tokens.length - 1);
    session.close();
  });
});
