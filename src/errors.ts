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

/** The promise's outcome; before it, RunError "cancelled" with this message as soon as `signal` becomes aborted. */
export async function unlessAborted<T>(
  promise: Promise<T>,
  message: string,
  signal?: AbortSignal,
): Promise<T> {
  if (!signal) return promise;
  let refuse!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    refuse = () => reject(new RunError("cancelled", message, { cause: signal.reason }));
  });
  // an aborted signal is left to the work itself when nothing stands before it
  signal.addEventListener("abort", refuse, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", refuse);
  }
}
