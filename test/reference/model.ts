// A model run by the slow reference: a file with its weights dequantised on first use, a KV cache
// and recurrent state by sequence, and `evaluate(batch)`.
import { readFileSync } from "node:fs";
import { bytesSource } from "../../formats/source.ts";
import { type Gguf, readGguf, type TensorInfo } from "../../formats/gguf.ts";
import { describeModel, type ModelDescription, type Pooling } from "../../models/index.ts";
import type { State } from "../../models/ops.ts";
import { type CacheType, ReferenceKvCache } from "./attention.ts";
import { dequantize } from "./dequantize.ts";
import { type Batch, ReferenceOps } from "./ops.ts";
import type { ReferenceWeight, Value } from "./value.ts";

/**
 * One low-rank pair: y += scale * b . (a . x), `a`: [rank] rows of the input, `b`: [nOut] rows of
 * rank.
 */
export interface LowRankPair {
  readonly a: readonly Float32Array[];
  readonly b: readonly Float32Array[];
  readonly scale: number;
}

export interface ReferenceOptions {
  /** Default: as many positions as the model was trained for. */
  readonly nCtx?: number;
  /** Embeddings from a model that gives logits otherwise, and how they are pooled. */
  readonly embeddings?: boolean;
  readonly pooling?: Pooling;
  /** Default f32. */
  readonly cacheType?: CacheType;
  /** Low-rank pairs by the weight they change; `Batch.adapters` picks one map for each token. */
  readonly adapters?: readonly ReadonlyMap<string, LowRankPair>[];
  /** Added to the output of a layer. */
  readonly controlVectors?: ReadonlyMap<number, Float32Array>;
  /** Called with every tapped value. */
  readonly onTap?: (name: string, value: Value) => void;
  /** Called with the result of every op, in the order of `forward`. */
  readonly onOp?: (op: string, value: Value) => void;
}

/** Sums of squares by column, per weight and expert (0 where the weight has no experts). */
export class Calibration {
  readonly sums = new Map<string, { count: number; squares: Float64Array }[]>();

  add(name: string, expert: number, row: Float32Array): void {
    if (!this.sums.has(name)) this.sums.set(name, []);
    const list = this.sums.get(name)!;
    list[expert] ??= { count: 0, squares: new Float64Array(row.length) };
    list[expert].count++;
    for (let i = 0; i < row.length; i++) list[expert].squares[i] += row[i] * row[i];
  }
}

/** A model ready to evaluate batches. */
export class ReferenceModel {
  readonly gguf: Gguf;
  readonly description: ModelDescription;
  readonly options: ReferenceOptions;
  readonly kv: ReferenceKvCache;
  readonly calibration = new Calibration();
  readonly #bytes: Uint8Array;
  readonly #weights = new Map<string, ReferenceWeight>();
  readonly #states = new Map<string, Float32Array>();

  private constructor(gguf: Gguf, bytes: Uint8Array, options: ReferenceOptions) {
    this.gguf = gguf;
    this.#bytes = bytes;
    this.options = options;
    this.description = describeModel(gguf.metadata, options);
    this.kv = new ReferenceKvCache(options.cacheType ?? "f32");
  }

  /** Opens a single GGUF file. */
  static async open(path: string, options: ReferenceOptions = {}): Promise<ReferenceModel> {
    return ReferenceModel.fromBytes(path, readFileSync(path), options);
  }

  /** The same for a file in memory; `name` is for errors. */
  static async fromBytes(
    name: string,
    bytes: Uint8Array,
    options: ReferenceOptions = {},
  ): Promise<ReferenceModel> {
    const gguf = await readGguf(bytesSource(name, bytes));
    return new ReferenceModel(gguf, bytes, options);
  }

  /** A model like this one with an empty cache and no state; it shares the dequantised weights. */
  fresh(options: ReferenceOptions = this.options): ReferenceModel {
    const model = new ReferenceModel(this.gguf, this.#bytes, options);
    for (const [name, weight] of this.#weights) model.#weights.set(name, weight);
    return model;
  }

  /** The result of the batch: logits of every output row, or embeddings. */
  evaluate(batch: Batch, encoder?: Batch): readonly Float32Array[] {
    const ops = new ReferenceOps(this, batch, encoder);
    this.description.forward(ops);
    if (ops.result === undefined) throw new Error("forward ended without logits");
    return ops.result.data;
  }

  /**
   * Evaluates tokens of sequence 0 from `position` on, with logits for all of them. `encoder`: the
   * encoder's tokens of an encoder-decoder model.
   */
  run(
    tokens: readonly number[],
    position = 0,
    encoder?: readonly number[],
  ): readonly Float32Array[] {
    const batch = (ids: readonly number[], start: number): Batch => ({
      tokens: ids,
      positions: ids.map((_, i) => start + i),
      sequences: ids.map(() => 0),
      outputs: ids.map(() => true),
    });
    return this.evaluate(batch(tokens, position), encoder && batch(encoder, 0));
  }

  tensor(name: string): TensorInfo | undefined {
    return this.gguf.tensors.get(name);
  }

  /** Names of the tensors that some evaluation has used. */
  get usedTensors(): ReadonlySet<string> {
    return new Set(this.#weights.keys());
  }

  /** The dequantised tensor, seen in `shape`, whose size the caller has checked. */
  load(name: string, shape: readonly number[]): ReferenceWeight {
    let weight = this.#weights.get(name);
    if (weight === undefined) {
      const { type, offset, bytes, nWeights } = this.tensor(name)!;
      const data = dequantize(type.name, this.#bytes.subarray(offset, offset + bytes), nWeights);
      weight = { name, shape, data };
      this.#weights.set(name, weight);
    }
    return weight;
  }

  readState(state: State, sequence: number): Float32Array {
    return this.#states.get(`${state.name}/${sequence}`) ?? new Float32Array(state.width);
  }

  writeState(state: State, sequence: number, row: Float32Array): void {
    this.#states.set(`${state.name}/${sequence}`, row);
  }
}
