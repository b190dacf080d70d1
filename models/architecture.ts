// What an architecture is: a row of the registry (index.ts), and one short file beside this one.
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { Ops } from "./ops.ts";

export interface Architecture<H extends Hparams = Hparams> {
  /** What `forward` ends with: `ops.logits` (default), or `ops.embedding` of every token's state. */
  readonly result?: "logits" | "embedding";
  /** True: `forward` says an encoder first (`ops.endEncoder`). */
  readonly hasEncoder?: boolean;
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
