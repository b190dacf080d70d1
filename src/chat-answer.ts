// The answer to a conversation: the chat format makes the prompt, a generation writes what follows.

import type { ChatFormat, ChatMessage, ChatPrompt, ChatTemplateOptions } from "./chat/index.ts";
import { OptionError } from "./errors.ts";
import {
  type GenerateOptions,
  type GeneratingModel,
  Generation,
  type StopReason,
} from "./generate.ts";

/**
 * How to write the conversation, and how to answer. With `session`, a conversation that grows is evaluated from where it
 * differs from what the session holds.
 */
export interface ChatOptions extends ChatTemplateOptions, Omit<GenerateOptions, "parseSpecial"> {}

/** An iterable over pieces of text; the fields fill as it goes. Iterate once. */
export class ChatAnswer implements AsyncIterable<string> {
  /** Undefined until the first piece has been asked for. */
  prompt: ChatPrompt | undefined;
  private generation: Generation | undefined;
  private begun = false;

  /** Made by Model.chat. */
  constructor(
    private readonly model: GeneratingModel,
    private readonly format: ChatFormat,
    private readonly messages: readonly ChatMessage[],
    private readonly options: ChatOptions,
  ) {}

  /** Tokens written so far, the one that ends the answer included. */
  get tokens(): readonly number[] {
    return this.generation?.tokens ?? [];
  }

  /** `end`: the model ended its turn. `stop`: a stop text. `length`: maxTokens. Undefined while it runs. */
  get stopReason(): StopReason | undefined {
    return this.generation?.stopReason;
  }

  /** What the user should know: no chat template, today's date in the prompt. */
  get warnings(): readonly string[] {
    return this.prompt?.warnings ?? [];
  }

  /** Tokens of the prompt that the session had already. */
  get cachedTokens(): number {
    return this.generation?.cachedTokens ?? 0;
  }

  /** The seed in use, once it runs. */
  get seed(): number | undefined {
    return this.generation?.seed;
  }

  /** Seconds spent on the prompt, and on the tokens after it. */
  get promptSeconds(): number {
    return this.generation?.promptSeconds ?? 0;
  }

  get generateSeconds(): number {
    return this.generation?.generateSeconds ?? 0;
  }

  /** The whole text. */
  async text(): Promise<string> {
    let text = "";
    for await (const piece of this) text += piece;
    return text;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (this.begun)
      throw new OptionError(
        "answer: expected to be iterated once, found a second time; call chat again",
      );
    this.begun = true;
    const { template, tools, documents, variables, addGenerationPrompt, now, ...rest } =
      this.options;
    const how = { template, tools, documents, variables, addGenerationPrompt, now };
    this.prompt = await this.format.tokenize(this.messages, how);
    this.generation = new Generation(this.model, this.prompt.tokens, rest);
    yield* this.generation;
  }
}
