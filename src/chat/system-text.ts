// Models without a system role: what a system message says goes before the next user message.

import { ChatTemplateError } from "./errors.ts";
import { type ChatMessage, textOf } from "./messages.ts";

/** `format`: how the system text (`{}`) stands before the user's. Throws ChatTemplateError where no user message follows. */
export function foldSystemText(messages: readonly ChatMessage[], format: string): ChatMessage[] {
  const folded: ChatMessage[] = [];
  let pending = "";
  for (const message of messages) {
    if (message.role === "system") {
      pending += format.replace("{}", () => textOf(message).trim());
    } else if (message.role === "user" && pending !== "") {
      folded.push({ ...message, content: pending + textOf(message) });
      pending = "";
    } else {
      folded.push(message);
    }
  }
  if (pending === "") return folded;
  throw new ChatTemplateError(
    "unsupported",
    "messages: expected a user message after the system message, found none; " +
      "this model has no system role, so the text goes before the user's",
  );
}
