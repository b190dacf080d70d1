// The one error of src/sampling: an option, a row of logits, a token or a saved state that cannot
// be used. It is thrown at the boundary (createSampler, sample, accept, restore); the samplers
// themselves trust what they are given.

/** `subject: expected X, found Y; remedy`, with the parts kept for callers that report as JSON. */
export class SamplingError extends Error {
  /** What was wrong: the option's name, or `logits`, `token`, `state`. */
  readonly option: string;
  readonly expected: string;
  readonly found: string;

  constructor(option: string, expected: string, found: string, remedy = "") {
    super(`${option}: expected ${expected}, found ${found}${remedy === "" ? "" : `; ${remedy}`}`);
    this.name = "SamplingError";
    this.option = option;
    this.expected = expected;
    this.found = found;
  }
}
