// Errors that cross the public API. Messages follow `subject: expected X, found Y (where); remedy`.

export class SamebitError extends Error {
  override readonly name: string = "SamebitError";
}

/** A forward pass asked for something that the file, the kernels or the options do not have. */
export class PlanError extends SamebitError {
  override readonly name = "PlanError";
}

/** The model does not fit where it was asked to go. */
export class MemoryError extends SamebitError {
  override readonly name = "MemoryError";
}

export type RunFailure = "cancelled" | "trap" | "nan" | "flush-to-zero" | "thread-died" | "closed";

/** A run that did not finish; `failure` says why. Nothing of its result may be used. */
export class RunError extends SamebitError {
  override readonly name = "RunError";
  readonly failure: RunFailure;

  constructor(failure: RunFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** The KV cache has no room for the tokens of a request. */
export class ContextFullError extends SamebitError {
  override readonly name = "ContextFullError";
}

/** An option has no meaning or an impossible value. */
export class OptionError extends SamebitError {
  override readonly name = "OptionError";
}
