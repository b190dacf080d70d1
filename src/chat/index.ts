// Chat templates: from messages to the text and tokens that a model was tuned on.

export type { ChatCapabilities } from "./capabilities.ts";
export { ChatTemplateError, type ChatTemplateFailure } from "./errors.ts";
export { CHAT_FAMILIES } from "./families.ts";
export {
  ChatFormat,
  type ChatPrompt,
  type ChatTemplateOptions,
  type RenderedChat,
} from "./format.ts";
export type { ChatMessage, ChatTool, FunctionDefinition, TextPart, ToolCall } from "./messages.ts";
