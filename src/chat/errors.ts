// The error of this layer: a conversation that cannot be written as the model wants it.

import { SamebitError } from "../errors.ts";

/**
 * `refused`: the template calls raise_exception about these messages. `broken`: it cannot be parsed or rendered.
 * `unbounded`: it does more work than any template needs. `unsupported`: it has no place for what was given.
 */
export type ChatTemplateFailure = "refused" | "broken" | "unbounded" | "unsupported";

export class ChatTemplateError extends SamebitError {
  override readonly name = "ChatTemplateError";
  readonly failure: ChatTemplateFailure;

  constructor(failure: ChatTemplateFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}
