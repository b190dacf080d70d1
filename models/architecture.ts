// What an architecture is: a row of the registry (index.ts), and one short file beside this one.
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { Activation, Ops } from "./ops.ts";

/** How the classifier of a reranker reads a text, where it differs from BERT's. */
export interface RankHead {
  /** Which vector stands for the text. Default "cls". */
  readonly pool?: "mean" | "cls" | "last";
  /** Rows of `cls.weight`. Default: embeddingLength. */
  readonly clsWidth?: number;
  /** After `cls.weight`. Default "tanh". */
  readonly activation?: Activation;
  /** The scores of the labels are made probabilities. */
  readonly softmax?: boolean;
}

export interface Architecture<H extends Hparams = Hparams> {
  /** What `forward` ends with: `ops.logits` (default), or `ops.embedding` of every token's state. */
  readonly result?: "logits" | "embedding";
  /** True: `forward` says an encoder first (`ops.endEncoder`). */
  readonly hasEncoder?: boolean;
  /** How its rerankers differ from BERT's. */
  readonly rankHead?: RankHead;
  /** Values of `general.architecture` that it serves. */
  readonly names: readonly string[];
  /** Reads and checks the hyperparameters. Throws GgufError or ModelError. */
  hparams(keys: ModelKeys): H;
  /**
   * Says the whole forward pass of a batch in ops, from `ops.embed` to `ops.logits` (an embedding
   * model: `ops.embedding`). Holds no state.
   */
  forward(ops: Ops, hp: H): void;
}
