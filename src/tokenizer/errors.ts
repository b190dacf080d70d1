// The error of this layer: a vocabulary that cannot be used, or a token that is not in it.

/** The parts of a message of the form `subject: expected X, found Y; remedy`. */
export interface TokenizerErrorParts {
  /** A metadata key, or what was asked for. */
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy: string;
}

/** Thrown for a missing, malformed, inconsistent or unsupported vocabulary, and for bad token ids. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy: string;

  constructor({ subject, expected, found, remedy }: TokenizerErrorParts) {
    super(`${subject}: expected ${expected}, found ${found}; ${remedy}`);
    this.subject = subject;
    this.expected = expected;
    this.found = found;
    this.remedy = remedy;
  }
}
