// Messages and tools as the caller gives them: OpenAI's shapes and names, which chat templates are written for. Checked
// here once; templates see them as plain data.

import { OptionError } from "../errors.ts";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

export interface ToolCall {
  readonly id?: string;
  readonly type?: "function";
  readonly function: {
    readonly name: string;
    /** An object, or its JSON text; the template gets what it wants of the two. */
    readonly arguments: unknown;
  };
}

export interface ChatMessage {
  /** `system`, `user`, `assistant`, `tool`, or what else the model's template knows. */
  readonly role: string;
  readonly content?: string | readonly TextPart[] | null;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  readonly name?: string;
  /** Whatever else a template reads, such as `reasoning_content`. */
  readonly [more: string]: unknown;
}

export interface FunctionDefinition {
  readonly name: string;
  readonly description?: string;
  /** A JSON schema. */
  readonly parameters?: unknown;
}

export type ChatTool =
  | { readonly type: "function"; readonly function: FunctionDefinition }
  | FunctionDefinition;

/** Throws OptionError, which names the message and the field. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new OptionError("messages: expected at least one message, found none");
  for (const [i, message] of messages.entries()) {
    const at = `messages[${i}]`;
    if (typeof message !== "object" || message === null)
      throw new OptionError(`${at}: expected {role, content}, found ${String(message)}`);
    if (typeof message.role !== "string" || message.role === "")
      throw new OptionError(`${at}.role: expected a name, found ${String(message.role)}`);
    checkContent(message, `${at}.content`);
  }
}

function checkContent({ content, tool_calls }: ChatMessage, at: string): void {
  if (typeof content === "string") return;
  if (content === null || content === undefined) {
    if (tool_calls !== undefined) return;
    throw new OptionError(`${at}: expected a text, found none`);
  }
  if (!Array.isArray(content))
    throw new OptionError(`${at}: expected a text or its parts, found ${typeof content}`);
  for (const part of content as readonly Partial<TextPart>[]) {
    if (part?.type !== "text" || typeof part.text !== "string")
      throw new OptionError(
        part?.type === "text"
          ? `${at}: expected parts {type: "text", text}, found one without a text`
          : `${at}: expected parts of type text, found ${String(part?.type)}; images and sound are not supported`,
      );
  }
}

/** The text of a message; its parts are joined. */
export function textOf({ content }: ChatMessage): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ text }) => text).join("");
}

/** Tools in the form `{type: "function", function: {...}}`. Throws OptionError. */
export function wrapTools(tools: readonly ChatTool[]): readonly unknown[] {
  if (!Array.isArray(tools))
    throw new OptionError(`tools: expected an array of them, found ${typeof tools}`);
  return tools.map((tool: ChatTool, i) => {
    const wrapped = "function" in tool ? tool : { type: "function", function: tool };
    if (typeof wrapped.function?.name !== "string")
      throw new OptionError(
        `tools[${i}]: expected {type: "function", function: {name, description, parameters}}, ` +
          "found no name",
      );
    return wrapped;
  });
}
