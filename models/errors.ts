// The one error of this layer: a model that cannot be run, or whose metadata and tensors contradict
// each other. It is thrown before any weight is copied.

/** The parts of a message of the form `subject: expected X, found Y; remedy`. */
export interface ModelErrorParts {
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy?: string;
}

/**
 * Thrown for an unsupported architecture or feature, and for tensors that do not fit the metadata.
 */
export class ModelError extends Error {
  override readonly name = "ModelError";
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy: string | undefined;

  constructor({ subject, expected, found, remedy }: ModelErrorParts) {
    super(
      `${subject}: expected ${expected}, found ${found}` +
        (remedy === undefined ? "" : `; ${remedy}`),
    );
    this.subject = subject;
    this.expected = expected;
    this.found = found;
    this.remedy = remedy;
  }
}

/**
 * Checks a tensor of the file against the shape that a forward pass asks for; both in GGUF order.
 * Trailing ones count for nothing: GGUF writers drop them. `offset` is where the tensor's bytes
 * begin. Both implementations of `Ops.weight` call it, so that their errors are the same. Throws
 * ModelError when the tensor is missing (`found` undefined) or has another shape.
 */
export function checkWeight(
  name: string,
  shape: readonly number[],
  found: { readonly shape: readonly number[]; readonly offset?: number } | undefined,
): void {
  const expected = `[${shape.join(", ")}]`;
  if (found === undefined) {
    throw new ModelError({
      subject: name,
      expected: `a tensor ${expected}`,
      found: "no such tensor",
      remedy: "the file is incomplete, or its metadata describes another model: convert it again",
    });
  }
  const length = Math.max(shape.length, found.shape.length);
  for (let i = 0; i < length; i++) {
    if ((shape[i] ?? 1) === (found.shape[i] ?? 1)) continue;
    const at = found.offset === undefined ? "" : ` (offset 0x${found.offset.toString(16)})`;
    throw new ModelError({
      subject: name,
      expected,
      found: `[${found.shape.join(", ")}]${at}`,
      remedy: "the metadata describes another model than the tensors: convert the file again",
    });
  }
}
