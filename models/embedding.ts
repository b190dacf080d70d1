// Embeddings: any forward pass, made to end in the state of the tokens instead of logits, and the
// pooling that makes one vector of them (`pooling_type`, llama.cpp's build_pooling).
import type { Architecture } from "./architecture.ts";
import { ModelError } from "./errors.ts";
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

/** How one vector is made of a text's tokens; `none`: one vector for each, `rank`: a score. */
export type Pooling = "none" | "mean" | "cls" | "last" | "rank";

const POOLINGS: readonly Pooling[] = ["none", "mean", "cls", "last", "rank"];

/** `pooling_type`; none where the file does not say. */
export function readPooling(keys: ModelKeys): Pooling {
  const type = keys.u32("pooling_type", 0);
  const pooling = POOLINGS[type];
  if (pooling !== undefined) return pooling;
  throw new ModelError({
    subject: `key "${keys.architecture}.pooling_type"`,
    expected: "0 to 4 (none, mean, cls, last, rank)",
    found: String(type),
    remedy: "this model needs a newer version of samebit",
  });
}

// Thrown to leave a causal forward pass where its logits would begin.
const DONE = Symbol("the embedding is recorded");

/** Runs `architecture.forward` for its embedding: every row is kept, and no logits are made. */
export function forwardEmbedding<H extends Hparams>(
  architecture: Architecture<H>,
  ops: Ops,
  hp: H,
  pooling: Pooling,
): void {
  const changed: Partial<Ops> = {
    outputRows: (x) => x,
    embedding: (x) => poolTokens(ops, hp, x, pooling),
    tap(x, name) {
      ops.tap(x, name);
      if (name !== "result_norm") return x;
      poolTokens(ops, hp, x, pooling);
      throw DONE;
    },
  };
  const wrapped = new Proxy(ops, {
    get(target, name) {
      const own = changed[name as keyof Ops];
      if (own !== undefined) return own;
      const value: unknown = target[name as keyof Ops];
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  try {
    architecture.forward(wrapped, hp);
  } catch (error) {
    if (error !== DONE) throw error;
  }
}

function poolTokens(ops: Ops, hp: Hparams, x: Tensor, pooling: Pooling): void {
  if (pooling === "none") ops.embedding(x);
  else if (pooling === "rank") ops.embedding(rank(ops, hp, ops.pool(x, "cls")));
  else ops.embedding(ops.pool(x, pooling));
}

/** The classifier of a reranker: tanh(cls . x + b) and an output layer, either of which may be missing. */
function rank(ops: Ops, hp: Hparams, x: Tensor): Tensor {
  const n = hp.embeddingLength;
  const dense = (t: Tensor, name: string, width: number): Tensor => {
    const w = ops.optionalWeight(`${name}.weight`, [n, width]);
    if (w === undefined) return t;
    const bias = ops.optionalWeight(`${name}.bias`, [width]);
    const y = ops.matmul(w, t);
    return bias === undefined ? y : ops.addWeight(y, bias);
  };
  const inner = dense(x, "cls", n);
  return dense(inner === x ? x : ops.activation("tanh", inner), "cls.output", 1);
}
