// Embeddings: any forward pass, made to end in the state of the tokens instead of logits, and the
// pooling that makes one vector of them (`pooling_type`, llama.cpp's build_pooling).
import type { Architecture, RankHead } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { ModelError } from "./errors.ts";
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

/** How one vector is made of a text's tokens; `none`: one vector for each, `rank`: a score for each label. */
export type Pooling = "none" | "mean" | "cls" | "last" | "rank";

export const POOLINGS: readonly Pooling[] = ["none", "mean", "cls", "last", "rank"];

/** What a file says about its embeddings. */
export interface EmbeddingHparams {
  readonly pooling: Pooling;
  /** `classifier.output_labels`: what a reranker's scores stand for; empty: one score without a name. */
  readonly labels: readonly string[];
  /** Between the two dense modules of sentence-transformers, where the file has them. */
  readonly dense2FeatOut: number;
  readonly dense3FeatIn: number;
}

/** Throws ModelError for an unknown pooling. */
export function readEmbedding(keys: ModelKeys): EmbeddingHparams {
  return {
    pooling: readPooling(keys),
    labels: keys.metadata.getStrings(`${keys.architecture}.classifier.output_labels`, []),
    dense2FeatOut: keys.u32("dense_2_feat_out", 0),
    dense3FeatIn: keys.u32("dense_3_feat_in", 0),
  };
}

/** `pooling_type`; none where the file does not say. */
function readPooling(keys: ModelKeys): Pooling {
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
  embedding: EmbeddingHparams,
): void {
  const finish = (x: Tensor): void =>
    ops.embedding(poolTokens(ops, hp, x, embedding, architecture.rankHead));
  const changed: Partial<Ops> = {
    outputRows: (x) => x,
    embedding: finish,
    tap(x, name) {
      ops.tap(x, name);
      if (name !== "result_norm") return x;
      finish(x);
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

/** The vectors that stand for the states `x` of a batch's tokens. */
function poolTokens(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  { pooling, labels, dense2FeatOut, dense3FeatIn }: EmbeddingHparams,
  head?: RankHead,
): Tensor {
  if (pooling === "rank") return rank(ops, hp, x, Math.max(labels.length, 1), head);
  const pooled = pooling === "none" ? x : ops.pool(x, pooling);
  const wide = dense(ops, pooled, "dense_2", dense2FeatOut) ?? pooled;
  return dense(ops, wide, "dense_3", hp.embeddingLength, dense3FeatIn) ?? wide;
}

/** [sequences, nLabels]: the classifier `cls`, an activation, a norm, and `cls.output`; either half may be missing. */
function rank(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  nLabels: number,
  { pool = "cls", clsWidth = hp.embeddingLength, activation = "tanh", softmax }: RankHead = {},
): Tensor {
  const pooled = ops.pool(x, pool);
  let inner = dense(ops, pooled, "cls", clsWidth);
  if (inner !== undefined) {
    inner = ops.activation(activation, inner);
    if (ops.optionalWeight("cls.norm.weight", [clsWidth]) !== undefined)
      inner = blocks.layerNorm(ops, hp, inner, "cls.norm", "none");
  }
  const scores = dense(ops, inner ?? pooled, "cls.output", nLabels) ?? inner;
  if (scores === undefined) {
    throw new ModelError({
      subject: "pooling rank",
      expected: "a classifier, cls.weight or cls.output.weight",
      found: "neither",
      remedy: "this model is no reranker: choose another pooling",
    });
  }
  return softmax ? ops.softmax(scores) : scores;
}

/** x . `name`.weight^T + `name`.bias; undefined where the file has no such weight. */
function dense(
  ops: Ops,
  x: Tensor,
  name: string,
  width: number,
  xWidth = x.width,
): Tensor | undefined {
  return ops.optionalWeight(`${name}.weight`, [xWidth, width]) === undefined
    ? undefined
    : blocks.linear(ops, x, name, width, "optional");
}
