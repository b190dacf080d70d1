// The op vocabulary: what an architecture's `forward` may say. Two things implement it: the recorder
// (src/plan/record.ts), which turns one call of `forward` into a plan, and the slow reference
// (test/reference), which computes at once. An architecture never names a kernel, a type or a thread.

/** How many rows a tensor has: one per token of the batch, per wanted output, per sequence, or a fixed number. */
export type Rows = "tokens" | "outputs" | "sequences" | number;

/** An f32 matrix [rows, width], row-major. Heads lie side by side in a row: width = nHead * headDim. */
export interface Tensor {
  readonly rows: Rows;
  readonly width: number;
}

/** A tensor of the file. `shape` is in GGUF order: ne0 (the row length) first. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
}

export type Activation =
  | "silu"
  | "gelu"
  | "geluErf"
  | "geluQuick"
  | "relu"
  | "relu2"
  | "sigmoid"
  | "tanh"
  | "softplus"
  | "exp";

/** Rotary position embedding. Angles as in ggml: theta = position, then theta *= freqBase^(-2/nRot) pair by pair, in f32. */
export interface RopeParams {
  readonly headDim: number;
  /** Leading elements of each head that rotate; the rest passes through. */
  readonly nRot: number;
  /** `norm`: pairs (2i, 2i+1). `neox`: pairs (i, i + nRot/2). */
  readonly mode: "norm" | "neox";
  readonly freqBase: number;
  /** 1 / linear factor. */
  readonly freqScale: number;
  /** Multiplies cos and sin (YaRN's and long-rope's magnitude). */
  readonly attnFactor: number;
  /**
   * Present: YaRN's mix of interpolation and extrapolation. cos and sin are multiplied by
   * 1 + logMultiplier * ln(1 / freqScale) as well (by 1 where freqScale >= 1); 0.1 in nearly every model. logDivisor:
   * they are divided by the same with that number.
   */
  readonly yarn?: {
    readonly extFactor: number;
    readonly betaFast: number;
    readonly betaSlow: number;
    readonly nCtxOrig: number;
    readonly logMultiplier: number;
    readonly logDivisor?: number;
  };
  /** [nRot/2]: divides the angle of each pair (`rope_freqs.weight`, long and short factors). */
  readonly factors?: Weight;
}

export interface NormParams {
  readonly eps: number;
  readonly weight?: Weight;
  readonly bias?: Weight;
  /** Normalise every run of `group` elements by itself (per head); the weight then has `group` elements, or the full width. */
  readonly group?: number;
}

export interface TemperatureParams {
  readonly scale: number;
  readonly floor: number;
  readonly offset: number;
}

/** The keys and values of a layer. */
export interface KvShape {
  readonly nHeadKv: number;
  readonly headDimK: number;
  readonly headDimV: number;
  /** No query sees a key that is `window` or more positions behind it: such keys may be forgotten. Default: all are kept. */
  readonly window?: number;
}

/** Where a layer's keys and values live. Made by `kvStore`. */
export interface KvCache extends KvShape {
  readonly layer: number;
}

export interface AttentionParams {
  readonly cache: KvCache;
  readonly nHead: number;
  readonly scale: number;
  /** cap * tanh(score / cap), before the mask. */
  readonly softcap?: number;
  /** A key is visible when position - keyPosition < window; without `causal`, when |position - keyPosition| < window. */
  readonly window?: number;
  /** A key is visible when floor(position / chunk) = floor(keyPosition / chunk). */
  readonly chunk?: number;
  /** Multiplies the scale by (1 + logMultiplier * ln(1 / freqScale))^2, by 1 where freqScale >= 1 (deepseek2's YaRN). */
  readonly yarnScale?: { readonly freqScale: number; readonly logMultiplier: number };
  /** ALiBi: slope of head h from maxBias as in ggml; score -= slope * |keyPosition - position|. */
  readonly alibiMaxBias?: number;
  /** [nHead]: a logit per head that joins the softmax's sum and has no value. */
  readonly sinks?: Weight;
  /** false: every key of the sequence is visible. Default true. */
  readonly causal?: boolean;
  /** The keys are those of the sequence's encoder, all of them visible; the cache was filled before `endEncoder`. */
  readonly cross?: boolean;
  /**
   * T5: score += weight[bucket(keyPosition - position)][head]; weight: [nHead, nBuckets]. Distances up to 128 have buckets of
   * growing width; `bidirectional`: half of the buckets are for keys behind the query's position.
   */
  readonly relativeBias?: { readonly weight: Weight; readonly bidirectional: boolean };
}

export interface RouteParams {
  readonly nUsed: number;
  readonly gating: "softmax" | "sigmoid" | "softmaxOfSelected" | "sqrtSoftplus";
  /** [nExpert]: added for the selection only. */
  readonly selectionBias?: Weight;
  /** Divide the chosen weights by their sum (at least 6.103515625e-5). */
  readonly normalise: boolean;
  /** Factor on the weights, after normalising. */
  readonly scale?: number;
  /** Expert groups (deepseek): choose nGroupUsed of nGroup groups by the sum of their two best scores first. */
  readonly nGroup?: number;
  readonly nGroupUsed?: number;
}

/** The chosen experts of every row and their weights, best first; ties go to the lower id. */
export interface Routing {
  readonly rows: Rows;
  readonly nUsed: number;
  readonly nExpert: number;
}

/** Per-sequence recurrent state: f32 [width], zero when the sequence begins. */
export interface State {
  readonly name: string;
  readonly width: number;
}

/** The selective scan of Mamba and Mamba-2: channels in heads of headDim = x.width / nHead. */
export interface SsmScanParams {
  /** Of the state, [x.width * nState]; one name a layer. */
  readonly name: string;
  /** [tokens, nHead]: step sizes, positive. */
  readonly dt: Tensor;
  /** [nState, nHead] (Mamba: every number of the state decays by itself) or [1, nHead] (Mamba-2); negative. */
  readonly a: Weight;
  /** [tokens, nGroup * nState]: what enters and what is read; heads share them in groups side by side. */
  readonly b: Tensor;
  readonly c: Tensor;
  /** nHead elements: the part of x that goes straight to the output. */
  readonly d: Weight;
  /** A multiple of 4. */
  readonly nState: number;
  readonly nGroup: number;
}

/** RWKV-7's recurrence; all tensors [tokens, nHead * headSize]. */
export interface Wkv7Params {
  /** Of the state, [nHead * headSize * headSize]; one name a layer. */
  readonly name: string;
  /** A multiple of 16. */
  readonly headSize: number;
  readonly r: Tensor;
  /** What each key keeps, between 0 and 1. */
  readonly w: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** Which key is looked up for removal, and where the removed value goes. */
  readonly a: Tensor;
  readonly b: Tensor;
}

/** The gated delta rule (qwen35, qwen3next). */
export interface GatedDeltaParams {
  /** Of the state, [nHeadV * dimK * dimV]; one name a layer. */
  readonly name: string;
  /** [tokens, nHeadK * dimK]; q is scaled already. */
  readonly q: Tensor;
  readonly k: Tensor;
  /** [tokens, nHeadV * dimV]; dimV is a multiple of 16. */
  readonly v: Tensor;
  /** [tokens, nHeadV]: what the state keeps (0 to 1), and how much of the correction is taken. */
  readonly decay: Tensor;
  readonly beta: Tensor;
  readonly nHeadK: number;
  readonly nHeadV: number;
  /** Which head of q and k serves head h of v: `tiled` h % nHeadK, `grouped` h / (nHeadV / nHeadK). */
  readonly heads: "tiled" | "grouped";
}

/** The op vocabulary. Every method throws PlanError when shapes do not fit, naming tensor, expected and found. */
export interface Ops {
  /** The weight `name`; its shape must be exactly `shape` (trailing ones may be missing in the file). */
  weight(name: string, shape: readonly number[]): Weight;
  /** The same, or undefined when the file has no such tensor. */
  optionalWeight(name: string, shape: readonly number[]): Weight | undefined;
  /** `width` elements of a weight from `start` on, as a vector for addWeight, mulWeight and norms; no copy. */
  weightPart(w: Weight, start: number, width: number): Weight;

  /** [tokens, ne0]: row tokenId of w; a token given as an embedding row yields that row. */
  embed(w: Weight): Tensor;
  /**
   * [tokens, ne0]: row `position` of w (learned positions), row 0 for every token, or row tokenId and row 0 for a token
   * given as an embedding row.
   */
  embedAt(w: Weight, index: "position" | "zero" | "tokenOrZero"): Tensor;

  /** [x.rows, ne1] = x . w^T, x: [rows, ne0]. */
  matmul(w: Weight, x: Tensor): Tensor;
  /** [x.rows, n*ne1]: run i of a row through matrix i of w: [ne0, ne1, n], x: [rows, n*ne0]. */
  matmulByRun(w: Weight, x: Tensor): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  /** Adds a vector weight of x.width elements to every row. */
  addWeight(x: Tensor, w: Weight): Tensor;
  /** Multiplies every row by a vector weight of x.width elements, or everything by a weight of one element. */
  mulWeight(x: Tensor, w: Weight): Tensor;
  scale(x: Tensor, factor: number): Tensor;
  /** min(max(x, -limit), limit). */
  clamp(x: Tensor, limit: number): Tensor;
  /** cap * tanh(x / cap). */
  softcap(x: Tensor, cap: number): Tensor;
  activation(kind: Activation, x: Tensor): Tensor;
  /** activation(gate) * up. */
  gated(kind: Activation, gate: Tensor, up: Tensor): Tensor;
  /** g * sigmoid(1.702 g) * (clamp(up, limit) + 1), g = min(gate, limit). */
  clampedGate(gate: Tensor, up: Tensor, limit: number): Tensor;
  /** relu(x - (mean + multiplier * deviation)), mean and standard deviation (n - 1) of the row. */
  gaussianTopK(x: Tensor, multiplier: number): Tensor;
  /** Softmax of every run of `group` elements (default: the whole row). */
  softmax(x: Tensor, group?: number): Tensor;
  rmsNorm(x: Tensor, params: NormParams): Tensor;
  layerNorm(x: Tensor, params: NormParams): Tensor;
  l2Norm(x: Tensor, params: NormParams): Tensor;
  /** Columns [start, start + width) of x: a view, no copy. start must be a multiple of 4. */
  slice(x: Tensor, start: number, width: number): Tensor;
  /** [x.rows, x.width / group]: the sum of every run of `group` elements. */
  groupSum(x: Tensor, group: number): Tensor;

  // A row may be seen as n runs of one length, side by side: heads, experts' slots, streams.

  /** [x.rows, n*width]: columns [start, start + width) of each of the n runs of a row. */
  sliceRuns(x: Tensor, n: number, start: number, width: number): Tensor;
  /** [x.rows, n*x.width]: n copies of a row side by side. */
  repeat(x: Tensor, n: number): Tensor;
  /** Run i of the result is run i of every part, one after the other. n: runs, default 1. */
  concat(parts: readonly Tensor[], n?: number): Tensor;
  /** Every run times a number of its own; factors: [x.rows, runs]. */
  scaleRuns(x: Tensor, factors: Tensor): Tensor;
  /** [x.rows, width] = sum over runs, ascending, of weights[run] * x[run]; weights: [x.rows, runs]. */
  weightedSum(x: Tensor, weights: Tensor): Tensor;
  /** [x.rows, n]: sqrt(sum of squares) of each of the n runs of a row. n: default 1. */
  magnitude(x: Tensor, n?: number): Tensor;

  rope(x: Tensor, params: RopeParams): Tensor;
  /** [tokens, 1]: ln(floor((position + offset) / floor) + 1) * scale + 1, a factor for the queries of late positions. */
  temperature(params: TemperatureParams): Tensor;
  /** Writes this batch's keys [tokens, nHeadKv*headDimK] and values into the cache of `layer`; rounds to the cache's type. */
  kvStore(layer: number, k: Tensor, v: Tensor, shape: KvShape): KvCache;
  /** [tokens, nHead*headDimV]. Reads keys and values, those of this batch included, back from the cache. */
  attention(q: Tensor, params: AttentionParams): Tensor;

  /** x: router logits [rows, nExpert]. */
  route(x: Tensor, params: RouteParams): Routing;
  /** w: [K, M, nExpert]. x: [rows, K] or [rows, nUsed*K] -> [rows, nUsed*M]; slots in rank order. */
  expertMatmul(w: Weight, x: Tensor, routing: Routing): Tensor;
  /** [rows, width] = sum over slots, in rank order, of weight * x[slot]; x: [rows, nUsed*width]. */
  expertSum(x: Tensor, routing: Routing): Tensor;
  /** Adds to every slot the vector of its expert; w: [width, nExpert], x: [rows, nUsed*width]. */
  expertAdd(x: Tensor, w: Weight, routing: Routing): Tensor;
  /** Multiplies every slot by the number of its expert; w: [nExpert]. */
  expertScale(x: Tensor, w: Weight, routing: Routing): Tensor;
  /** [rows, nUsed]: the weights of a routing, in rank order. */
  routingWeights(routing: Routing): Tensor;

  /** [outputs, width]: the rows whose logits are wanted. */
  outputRows(x: Tensor): Tensor;
  /** Rows of x named by a per-plan index list (set before a run); rows = its length. */
  gather(x: Tensor, index: string, rows: number): Tensor;
  /** base with row index[i] replaced by x row i. */
  scatter(base: Tensor, x: Tensor, index: string): Tensor;

  /** Names a value so that tracing and calibration can read it; returns it. It happens before activation packing. */
  tap(x: Tensor, name: string): Tensor;
  /**
   * Calibration: adds x*x, summed over rows in token order, to the accumulator `name` ([width] and a count;
   * with `routing` one accumulator per expert, x as in expertMatmul). Nothing in other plans.
   */
  sumSquaresByColumn(x: Tensor, name: string, routing?: Routing): void;
  /** y + scale * B(A x) for tokens whose adapter slot holds a low-rank pair for `target` (LoRA); y where there is none. */
  addLowRank(y: Tensor, x: Tensor, target: string): Tensor;
  /** x + the control vector of `layer`, where one is loaded; it repeats over runs of its length. */
  addVector(x: Tensor, layer: number): Tensor;

  /** Declares per-sequence state. */
  state(name: string, width: number): State;
  /** [sequences, width]. */
  readState(state: State): Tensor;
  writeState(state: State, x: Tensor): void;

  // Recurrent ops: each has a state of its own per sequence, walks the batch's tokens of a sequence in order and leaves the
  // state for the next run. Results are the same for every split into batches. They stand before `outputRows`.

  /** [tokens, x.width]: row t = row t - 1 of x in the same sequence; zeros before the first. */
  tokenShift(x: Tensor, name: string): Tensor;
  /** y[t, c] = sum over k of w[k, c] * x[t - K + 1 + k, c], zeros before the sequence; w: [K, x.width], K from 2 to 256. */
  shortConv(x: Tensor, w: Weight, name: string): Tensor;
  /**
   * Per channel i of head h: state = state * exp(dt[h] * a[h]) + b * (x[i] * dt[h]), y[i] = sum(state * c) + d[h] * x[i].
   * [tokens, x.width].
   */
  ssmScan(x: Tensor, params: SsmScanParams): Tensor;
  /**
   * Per head, S [keys, values]: e = a . S, S[j] = S[j] * w[j] + k[j] * v + b[j] * e, y = r . S. [tokens, v.width].
   */
  wkv7(params: Wkv7Params): Tensor;
  /** Per head of v, S [keys, values]: S = S * decay, S[j] += k[j] * beta * (v - k . S), y = q . S. [tokens, v.width]. */
  gatedDelta(params: GatedDeltaParams): Tensor;

  /** [sequences, x.width]: the mean, the first or the last of each sequence's rows. A sequence must be whole in its batch. */
  pool(x: Tensor, kind: "mean" | "cls" | "last"): Tensor;
  /** The result of an embedding plan: the state of every token, or pooled. A NaN in it is an error of the run. */
  embedding(x: Tensor): void;

  /**
   * What was said so far is the encoder: it runs once for each sequence, over the encoder's tokens. What follows is the
   * decoder. Only caches pass from one to the other.
   */
  endEncoder(): void;

  /** The result of the plan: raw logits [outputs, nVocab]. A NaN in it is an error of the run. */
  logits(x: Tensor): void;
}
