// A conversation as the text and the tokens that a model was tuned on: by the file's chat template, or in the format of
// the model's family. What a template cannot show is adapted where there is one way to do it, and refused otherwise.

import { OptionError } from "../errors.ts";
import type { Tokenizer, VocabularySource } from "../tokenizer/index.ts";
import { type ChatCapabilities, probe } from "./capabilities.ts";
import { ChatTemplateError } from "./errors.ts";
import {
  type ChatFamily,
  detectFamily,
  familyByName,
  renderFamily,
  SYSTEM_IN_USER,
} from "./families.ts";
import { JinjaTemplate } from "./jinja.ts";
import {
  type ChatMessage,
  type ChatTool,
  checkMessages,
  textOf,
  type ToolCall,
  wrapTools,
} from "./messages.ts";
import { PlainText } from "./plain-text.ts";
import { foldSystemText } from "./system-text.ts";
import { chooseVariant, readVariants } from "./variants.ts";

export interface ChatTemplateOptions {
  /**
   * Another template than the file's choice: the name of one in the file, the name of a family (`chatml`, `llama3` ...),
   * or a template's text.
   */
  readonly template?: string;
  readonly tools?: readonly ChatTool[];
  /** For retrieval: what templates call `documents`. */
  readonly documents?: readonly unknown[];
  /** More variables for the template, such as `{ enable_thinking: false }`. Their texts count as the template's own. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** End with the words that begin an answer. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** The date for templates that show one, in UTC. Default: now, and a warning, for the prompt changes from day to day. */
  readonly now?: Date;
}

export interface RenderedChat {
  readonly text: string;
  /** The name of the variant or family; `given` for a template's text. */
  readonly template: string;
  readonly warnings: readonly string[];
}

export interface ChatPrompt extends RenderedChat {
  readonly tokens: readonly number[];
}

interface Compiled {
  readonly template: JinjaTemplate;
  readonly capabilities: ChatCapabilities;
}

/** What is to be written, after the checks. */
interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly unknown[] | null;
  readonly documents: readonly unknown[] | null;
  readonly options: ChatTemplateOptions;
}

export class ChatFormat {
  /** The templates of the file by name. */
  readonly variants: ReadonlyMap<string, string>;
  private readonly architecture: string;
  private readonly compiled = new Map<string, Promise<Compiled>>();
  private plainText: PlainText | undefined;

  constructor(
    { metadata }: VocabularySource,
    private readonly tokenizer: Tokenizer,
  ) {
    this.variants = readVariants(metadata);
    const architecture = metadata.get("general.architecture");
    this.architecture = architecture?.type === "string" ? architecture.value : "";
  }

  /**
   * The conversation as text. Throws OptionError for messages of a wrong shape, ChatTemplateError for a conversation that
   * the template refuses, for tools that it cannot show, and for a template that does not work if the caller chose it.
   */
  async render(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions = {},
  ): Promise<RenderedChat> {
    return this.write(check(messages, options));
  }

  /**
   * The conversation as tokens, with BOS where the model wants it. Special tokens of the template are those tokens; the
   * same words in messages, tools and documents are text (plain-text.ts). Throws as `render` does.
   */
  async tokenize(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions = {},
  ): Promise<ChatPrompt> {
    const conversation = check(messages, options);
    const { tools, documents } = conversation;
    const given = { messages: conversation.messages, tools, documents };
    const templates = [...this.variants.values(), options.template, options.variables];
    const breaker = PlainText.breakerFor(JSON.stringify([given, templates]));
    this.plainText ??= new PlainText(this.tokenizer);
    const written = await this.write({
      ...conversation,
      ...this.plainText.protect(given, breaker),
    });
    // No EOS behind it: the answer comes there.
    const tokens = this.tokenizer.encode(written.text, { parseSpecial: true, breaker });
    const { addBos, bosToken } = this.tokenizer;
    if (addBos && tokens[0] !== bosToken) tokens.unshift(bosToken!);
    return { ...written, text: written.text.replaceAll(breaker, ""), tokens };
  }

  /** What a template of the file (default: the one for plain conversations) can show; undefined where there is none. */
  async capabilities(name = chooseVariant(this.variants.keys(), NOTHING)) {
    const source = this.variants.get(name ?? "");
    return source === undefined ? undefined : (await this.compile(source)).capabilities;
  }

  private async write(conversation: Conversation): Promise<RenderedChat> {
    const { template: wanted } = conversation.options;
    if (wanted !== undefined) return this.writeWanted(conversation, wanted);
    const name = chooseVariant(this.variants.keys(), {
      tools: conversation.tools !== null,
      documents: conversation.documents !== null,
    });
    if (name === undefined)
      return this.writeAsFamily(conversation, "expected a chat template, found none in the file");
    try {
      return await this.writeByTemplate(conversation, name, this.variants.get(name)!);
    } catch (error) {
      if (!(error instanceof ChatTemplateError) || error.failure !== "broken") throw error;
      if (conversation.tools !== null) throw error; // no family's format shows tools
      return this.writeAsFamily(conversation, error.message, this.variants.get(name));
    }
  }

  private async writeWanted(conversation: Conversation, wanted: string): Promise<RenderedChat> {
    const variant = this.variants.get(wanted);
    if (variant !== undefined) return this.writeByTemplate(conversation, wanted, variant);
    const family = familyByName(wanted);
    if (family !== undefined)
      return { text: writeFamily(family, conversation), template: wanted, warnings: [] };
    if (/\{[{%]/.test(wanted)) return this.writeByTemplate(conversation, "given", wanted);
    throw new OptionError(
      `template: expected ${[...this.variants.keys(), "the name of a family (chatml, llama3 ...)"].join(", ")} ` +
        `or a template's text, found ${JSON.stringify(wanted)}`,
    );
  }

  private writeAsFamily(
    conversation: Conversation,
    problem: string,
    template?: string,
  ): RenderedChat {
    const hasToken = (text: string): boolean => this.tokenizer.tokenId(text) !== undefined;
    const { family, why } = detectFamily(template, hasToken, this.architecture);
    const warning = `tokenizer.chat_template: ${problem}; the conversation is written as for ${family.name}, chosen ${why}`;
    const text = writeFamily(family, conversation);
    return { text, template: family.name, warnings: [warning] };
  }

  private async writeByTemplate(
    conversation: Conversation,
    name: string,
    source: string,
  ): Promise<RenderedChat> {
    const { template, capabilities } = await this.compile(source);
    const { tools, documents, options } = conversation;
    if (tools !== null && !capabilities.tools) {
      throw new ChatTemplateError(
        "unsupported",
        `tools: expected a template that shows tools, found that ${name} does not; ` +
          "leave them out, or describe them in the system message",
      );
    }
    const now = options.now ?? new Date();
    const variables = {
      ...this.specialTokens(),
      ...options.variables,
      messages: adapt(conversation.messages, capabilities),
      tools: tools ?? capabilities.noTools,
      documents,
      add_generation_prompt: options.addGenerationPrompt ?? true,
    };
    const { text, usesDate } = template.render(variables, now, lengthOf(variables));
    const dated = usesDate && options.now === undefined;
    const warning = `the prompt has the date in it (${now.toISOString().slice(0, 10)}, UTC): another day, another prompt; the option now (--date) fixes it`;
    return { text, template: name, warnings: dated ? [warning] : [] };
  }

  private compile(source: string): Promise<Compiled> {
    let compiled = this.compiled.get(source);
    if (compiled === undefined) {
      compiled = this.parse(source);
      this.compiled.set(source, compiled);
    }
    return compiled;
  }

  private async parse(source: string): Promise<Compiled> {
    const template = await JinjaTemplate.parse(source);
    const variables = this.specialTokens();
    const capabilities = probe((messages, tools) => {
      const given = { ...variables, messages, tools, documents: null, add_generation_prompt: true };
      return template.render(given, new Date(0), 0).text;
    });
    return { template, capabilities };
  }

  /** The texts of special tokens under the names that templates have for them. */
  private specialTokens(): Record<string, string> {
    const { bosToken, eosToken, unkToken, sepToken, padToken, maskToken } = this.tokenizer;
    const text = (id: number | undefined): string =>
      id === undefined ? "" : this.tokenizer.tokenText(id);
    return {
      bos_token: text(bosToken),
      eos_token: text(eosToken),
      unk_token: text(unkToken),
      sep_token: text(sepToken),
      pad_token: text(padToken),
      mask_token: text(maskToken),
    };
  }
}

const NOTHING = { tools: false, documents: false };

function check(messages: readonly ChatMessage[], options: ChatTemplateOptions): Conversation {
  checkMessages(messages);
  const { tools = [], documents = [], now } = options;
  if (now !== undefined && !(now instanceof Date && !Number.isNaN(now.getTime())))
    throw new OptionError("now: expected a date, found an invalid one or something else");
  return {
    messages,
    // null, as in Hugging Face's library: templates are written for it.
    tools: tools.length > 0 ? wrapTools(tools) : null,
    documents: documents.length > 0 ? documents : null,
    options,
  };
}

function writeFamily(family: ChatFamily, { messages, tools, options }: Conversation): string {
  if (tools !== null) {
    throw new ChatTemplateError(
      "unsupported",
      `tools: expected a chat template that shows tools, found the plain format of ${family.name}; leave them out`,
    );
  }
  const adapted =
    family.system === undefined
      ? foldSystemText(messages, family.systemInUser ?? SYSTEM_IN_USER)
      : messages;
  return renderFamily(family, adapted, options.addGenerationPrompt ?? true);
}

/** The messages in the shape that the template can show. */
function adapt(messages: readonly ChatMessage[], can: ChatCapabilities): unknown[] {
  const told = can.systemRole ? messages : foldSystemText(messages, SYSTEM_IN_USER);
  return told.map((message) => {
    const text =
      message.content === null || message.content === undefined
        ? can.emptyContent
        : textOf(message);
    const content = can.content === "parts" && text !== null ? [{ type: "text", text }] : text;
    if (message.tool_calls === undefined) return { ...message, content };
    if (!can.toolCalls || (message.tool_calls.length > 1 && !can.parallelToolCalls)) {
      throw new ChatTemplateError(
        "unsupported",
        `messages: expected at most ${can.toolCalls ? "one call of a tool" : "no calls of tools"} in a message, ` +
          `found ${message.tool_calls.length}; the model's chat template cannot show them`,
      );
    }
    const tool_calls = message.tool_calls.map((call) => withArguments(call, can.toolArguments));
    return { ...message, content, tool_calls };
  });
}

function withArguments(call: ToolCall, form: ChatCapabilities["toolArguments"]): ToolCall {
  const given = call.function.arguments;
  if (form === "text" && typeof given !== "string")
    return { ...call, function: { ...call.function, arguments: JSON.stringify(given) } };
  if (form === "text" || typeof given !== "string") return call;
  try {
    const parsed: unknown = JSON.parse(given);
    return { ...call, function: { ...call.function, arguments: parsed } };
  } catch {
    return call; // what a model wrote need not be JSON
  }
}

/** Characters of all texts in a value. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((n: number, item) => n + lengthOf(item), 0);
}
