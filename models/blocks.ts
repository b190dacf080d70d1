// What architectures share, said in ops: projections, norms, attention, feed-forward networks,
// experts, the way in (embedding) and the way out (logits). Tensor names are those of GGUF.
import type { Hparams } from "./hparams.ts";
import type {
  Activation,
  AttentionParams,
  Ops,
  RopeParams,
  RouteParams,
  Routing,
  Tensor,
  Weight,
} from "./ops.ts";

/** `required`: a missing bias is an error. `optional`: it is added where the file has one. */
export type Bias = "none" | "optional" | "required";

/** [tokens, embeddingLength]: the embedding rows of the batch's tokens. */
export function embedTokens(ops: Ops, hp: Hparams): Tensor {
  return ops.embed(tokenEmbedding(ops, hp));
}

/**
 * [outputs, vocabSize]: logits from the state after the last norm. Without `output.weight` the
 * embedding serves ("tied").
 */
export function outputLogits(ops: Ops, hp: Hparams, x: Tensor, bias: Bias = "none"): Tensor {
  const shape = [hp.embeddingLength, hp.vocabSize];
  const w = ops.optionalWeight("output.weight", shape) ?? tokenEmbedding(ops, hp);
  return addBias(ops, project(ops, ops.tap(x, "result_norm"), w), "output.bias", bias);
}

/**
 * What goes past the attention of layer `il`, such as the residual stream. Every token's keys and
 * values are needed, but after the last layer's attention only the rows whose logits are wanted:
 * `attention` narrows its own result in the same way.
 */
export function besideAttention(ops: Ops, hp: Hparams, il: number, x: Tensor): Tensor {
  return il === hp.blockCount - 1 ? ops.outputRows(x) : x;
}

/**
 * The end of layer `il`: the control vector is added, and tracing can read `l_out-il` (llama.cpp's
 * name).
 */
export function endLayer(ops: Ops, il: number, x: Tensor): Tensor {
  return ops.tap(ops.addVector(x, il), `l_out-${il}`);
}

/**
 * [x.rows, width] = x . `name`.weight^T, plus the low-rank adapter of that weight and `name`.bias.
 */
export function linear(
  ops: Ops,
  x: Tensor,
  name: string,
  width: number,
  bias: Bias = "none",
): Tensor {
  const y = project(ops, x, ops.weight(`${name}.weight`, [x.width, width]));
  return addBias(ops, y, `${name}.bias`, bias);
}

/** RMS norm with `name`.weight; `group`: every head by itself. */
export function rmsNorm(ops: Ops, hp: Hparams, x: Tensor, name: string, group?: number): Tensor {
  const weight = ops.weight(`${name}.weight`, [group ?? x.width]);
  return ops.rmsNorm(x, { eps: hp.normEpsilon, weight, group });
}

/** Layer norm with `name`.weight and `name`.bias. */
export function layerNorm(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  name: string,
  bias: Bias = "required",
): Tensor {
  const weight = ops.weight(`${name}.weight`, [x.width]);
  return ops.layerNorm(x, {
    eps: hp.normEpsilon,
    weight,
    bias: biasWeight(ops, `${name}.bias`, x.width, bias),
  });
}

/** Rotary embedding as the file's `rope.*` keys and factor tensors say. */
export function ropeParams(ops: Ops, hp: Hparams, mode: RopeParams["mode"]): RopeParams {
  const { dimensionCount, freqBase, freqScale, attnFactor, originalContextLength } = hp.rope;
  return {
    headDim: hp.keyLength,
    nRot: dimensionCount,
    mode,
    freqBase,
    freqScale,
    attnFactor,
    factors: ropeFactors(ops, hp),
    yarn: hp.rope.scalingType === "yarn" ? yarn(originalContextLength) : undefined,
  };
}

/**
 * Divisors for the angle of each pair: `rope_freqs.weight` (Llama 3.1), or the long or short
 * factors of long-rope. Long ones hold from position 0 on as soon as the run has room for more than
 * the original context: which positions are really used does not matter (llama.cpp,
 * get_rope_factors).
 */
function ropeFactors(ops: Ops, hp: Hparams): Weight | undefined {
  const shape = [hp.rope.dimensionCount / 2];
  const length = hp.nCtx > hp.rope.originalContextLength ? "long" : "short";
  return (
    ops.optionalWeight("rope_freqs.weight", shape) ??
    ops.optionalWeight(`rope_factors_${length}.weight`, shape)
  );
}

function yarn(nCtxOrig: number): RopeParams["yarn"] {
  // The beta keys of the file are not read: llama.cpp reads them for grok and mistral3 only.
  return { extFactor: 1, betaFast: 32, betaSlow: 1, nCtxOrig, logMultiplier: 0.1 };
}

/** How one layer's attention differs from plain causal attention. */
export interface AttentionBlock extends Pick<
  AttentionParams,
  "softcap" | "window" | "chunk" | "alibiMaxBias" | "sinks" | "causal"
> {
  /** Absent: no rotation in this layer. */
  readonly rope?: RopeParams;
  /** Of q, k and v. */
  readonly bias?: Bias;
  readonly outputBias?: Bias;
  /** Default: `hp.attentionScale`. */
  readonly scale?: number;
  /** q, k and v are clamped to +-clampKqv. */
  readonly clampKqv?: number;
  /** Between the projection and the rotation; `name` is `blk.N.attn_q` or `blk.N.attn_k`. */
  readonly qkNorm?: (x: Tensor, name: string) => Tensor;
  /** The same after the rotation. */
  readonly qkNormAfter?: (x: Tensor, name: string) => Tensor;
  /** [tokens, 1]: a factor on the queries of each token. */
  readonly temperature?: Tensor;
  /** Between the heads and the output projection. */
  readonly subNorm?: (x: Tensor) => Tensor;
}

/**
 * Self-attention of layer `il`, from the normalised input [tokens, embeddingLength] to the output
 * projection: [tokens, embeddingLength], in the last layer [outputs, embeddingLength].
 */
export function attention(
  ops: Ops,
  hp: Hparams,
  il: number,
  x: Tensor,
  block: AttentionBlock,
): Tensor {
  const blk = `blk.${il}`;
  const nHead = hp.headCount[il];
  const nHeadKv = hp.headCountKv[il];
  let { q, k, v } = queryKeyValue(ops, hp, il, x, block.bias ?? "none", block.clampKqv);
  if (block.qkNorm) {
    q = block.qkNorm(q, `${blk}.attn_q`);
    k = block.qkNorm(k, `${blk}.attn_k`);
  }
  if (block.rope) {
    q = ops.rope(q, block.rope);
    k = ops.rope(k, block.rope);
  }
  if (block.qkNormAfter) {
    q = block.qkNormAfter(q, `${blk}.attn_q`);
    k = block.qkNormAfter(k, `${blk}.attn_k`);
  }
  if (block.temperature) q = ops.scaleRuns(q, block.temperature);
  const { window = Infinity, chunk = Infinity, causal = true } = block;
  const reach = causal ? Math.min(window, chunk) : Infinity;
  const shape = {
    nHeadKv,
    headDimK: hp.keyLength,
    headDimV: hp.valueLength,
    window: reach < Infinity ? reach : undefined,
  };
  const heads = ops.attention(q, {
    cache: ops.kvStore(il, k, v, shape),
    nHead,
    scale: block.scale ?? hp.attentionScale,
    softcap: block.softcap,
    window: block.window,
    chunk: block.chunk,
    alibiMaxBias: block.alibiMaxBias,
    sinks: block.sinks,
    causal: block.causal,
  });
  // Narrowed before the output projection, so that the last layer projects only the rows that are
  // wanted.
  const rows = besideAttention(ops, hp, il, ops.tap(heads, `kqv_out-${il}`));
  const out = block.subNorm ? block.subNorm(rows) : rows;
  return linear(ops, out, `${blk}.attn_output`, hp.embeddingLength, block.outputBias);
}

/** Query, key and value of layer `il`, from one fused tensor `attn_qkv` or three. */
function queryKeyValue(
  ops: Ops,
  hp: Hparams,
  il: number,
  x: Tensor,
  bias: Bias,
  clampKqv = 0,
): { q: Tensor; k: Tensor; v: Tensor } {
  const blk = `blk.${il}`;
  const nQ = hp.headCount[il] * hp.keyLength;
  const nK = hp.headCountKv[il] * hp.keyLength;
  const nV = hp.headCountKv[il] * hp.valueLength;
  const clamped = (y: Tensor): Tensor => (clampKqv > 0 ? ops.clamp(y, clampKqv) : y);
  const fused = ops.optionalWeight(`${blk}.attn_qkv.weight`, [x.width, nQ + nK + nV]);
  if (fused === undefined) {
    return {
      q: clamped(linear(ops, x, `${blk}.attn_q`, nQ, bias)),
      k: clamped(linear(ops, x, `${blk}.attn_k`, nK, bias)),
      v: clamped(linear(ops, x, `${blk}.attn_v`, nV, bias)),
    };
  }
  const qkv = clamped(addBias(ops, project(ops, x, fused), `${blk}.attn_qkv.bias`, bias));
  return {
    q: ops.slice(qkv, 0, nQ),
    k: ops.slice(qkv, nQ, nK),
    v: ops.slice(qkv, nQ + nK, nV),
  };
}

/** What a model of the common shape has of its own (preNormForward). */
export interface PreNormModel {
  readonly attention: (il: number) => AttentionBlock;
  /** From the normalised rows of layer `il`. Default: gatedFfn. */
  readonly ffn?: (il: number, x: Tensor) => Tensor;
  /** Default: rmsNorm. */
  readonly norm?: (x: Tensor, name: string) => Tensor;
  /** Tensor before the feed-forward part, after `blk.N.`. Default "ffn_norm". */
  readonly ffnNorm?: string;
  /** Factor on what joins the residual stream. */
  readonly residualScale?: number;
  readonly outputBias?: Bias;
}

/**
 * The shape that most models have: in each layer x += attention(norm(x)), then x += ffn(norm(x)); a norm before the
 * output. From the embedded tokens to the logits, [outputs, vocabSize].
 */
export function preNormForward(ops: Ops, hp: Hparams, x: Tensor, model: PreNormModel): Tensor {
  const normed = preNormStates(ops, hp, x, model, "output_norm");
  return outputLogits(ops, hp, normed, model.outputBias);
}

/** The same up to the last norm, `lastNorm`: [outputs, embeddingLength]. */
export function preNormStates(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  model: PreNormModel,
  lastNorm: string,
): Tensor {
  const {
    norm = (y: Tensor, name: string): Tensor => rmsNorm(ops, hp, y, name),
    ffn = (il: number, y: Tensor): Tensor => gatedFfn(ops, hp, il, y),
    ffnNorm = "ffn_norm",
    residualScale,
  } = model;
  const scaled = (y: Tensor): Tensor => (residualScale ? ops.scale(y, residualScale) : y);
  for (let il = 0; il < hp.blockCount; il++) {
    const a = attention(ops, hp, il, norm(x, `blk.${il}.attn_norm`), model.attention(il));
    x = ops.add(besideAttention(ops, hp, il, x), scaled(a));
    const f = ffn(il, norm(x, `blk.${il}.${ffnNorm}`));
    x = endLayer(ops, il, ops.add(x, scaled(f)));
  }
  return norm(x, lastNorm);
}

/** down(activation(gate(x)) * up(x)) with `ffn_gate`, `ffn_up`, `ffn_down` of layer `il`. */
export function gatedFfn(
  ops: Ops,
  hp: Hparams,
  il: number,
  x: Tensor,
  kind: Activation = "silu",
  bias: Bias = "none",
): Tensor {
  const blk = `blk.${il}`;
  const width = hp.feedForwardLength[il];
  const gate = linear(ops, x, `${blk}.ffn_gate`, width, bias);
  const up = linear(ops, x, `${blk}.ffn_up`, width, bias);
  return linear(ops, ops.gated(kind, gate, up), `${blk}.ffn_down`, hp.embeddingLength, bias);
}

/** The same where `ffn_up` holds the gate's rows first and then those of up (phi3, glm4). */
export function fusedGatedFfn(
  ops: Ops,
  hp: Hparams,
  il: number,
  x: Tensor,
  kind: Activation = "silu",
  bias: Bias = "none",
): Tensor {
  const width = hp.feedForwardLength[il];
  const both = linear(ops, x, `blk.${il}.ffn_up`, 2 * width, bias);
  const gated = ops.gated(kind, ops.slice(both, 0, width), ops.slice(both, width, width));
  return linear(ops, gated, `blk.${il}.ffn_down`, hp.embeddingLength, bias);
}

/** down(activation(up(x))): no gate. */
export function plainFfn(
  ops: Ops,
  hp: Hparams,
  il: number,
  x: Tensor,
  kind: Activation,
  bias: Bias = "none",
): Tensor {
  const up = linear(ops, x, `blk.${il}.ffn_up`, hp.feedForwardLength[il], bias);
  return linear(ops, ops.activation(kind, up), `blk.${il}.ffn_down`, hp.embeddingLength, bias);
}

/** How a layer's experts differ from: gate and up from x, SiLU, down, summed with the router's weights. */
export interface ExpertsBlock extends Omit<RouteParams, "nUsed"> {
  /** activation(gate) * up, or another combination of the two. Default "silu". */
  readonly gate?: Activation | ((gate: Tensor, up: Tensor) => Tensor);
  /** [rows, nExpert]. Default: x . ffn_gate_inp. */
  readonly scores?: Tensor;
  /** The router's weights multiply the experts' input, not their output. */
  readonly weighsInput?: boolean;
}

/**
 * Experts of layer `il`: every row goes through the `expertUsedCount` experts that the router scores best, and their
 * outputs are summed with the router's weights. `ffn_gate_up_exps` holds the rows of gate and up where it is present.
 */
export function experts(ops: Ops, hp: Hparams, il: number, x: Tensor, block: ExpertsBlock): Tensor {
  const blk = `blk.${il}`;
  const { gate: combine = "silu", scores: given, weighsInput = false, ...params } = block;
  const nUsed = hp.expertUsedCount;
  const scores = given ?? linear(ops, x, `${blk}.ffn_gate_inp`, hp.expertCount, "optional");
  const routing = ops.route(ops.tap(scores, `ffn_moe_logits-${il}`), { ...params, nUsed });
  const input = weighsInput ? ops.scaleRuns(ops.repeat(x, nUsed), ops.routingWeights(routing)) : x;
  const { gate, up } = expertGateUp(ops, hp, input, blk, x.width, routing);
  const gated = typeof combine === "string" ? ops.gated(combine, gate, up) : combine(gate, up);
  const nEmbd = hp.embeddingLength;
  const width = hp.expertFeedForwardLength;
  const down = expertLinear(ops, hp, gated, `${blk}.ffn_down_exps`, width, nEmbd, routing);
  if (!weighsInput) return ops.expertSum(down, routing);
  const slots = Array.from({ length: nUsed }, (_, slot) => ops.slice(down, slot * nEmbd, nEmbd));
  return slots.reduce((sum, slot) => ops.add(sum, slot));
}

function expertGateUp(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  blk: string,
  nIn: number,
  routing: Routing,
): { gate: Tensor; up: Tensor } {
  const width = hp.expertFeedForwardLength;
  const fused = `${blk}.ffn_gate_up_exps`;
  if (ops.optionalWeight(`${fused}.weight`, [nIn, 2 * width, hp.expertCount]) === undefined) {
    return {
      gate: expertLinear(ops, hp, x, `${blk}.ffn_gate_exps`, nIn, width, routing),
      up: expertLinear(ops, hp, x, `${blk}.ffn_up_exps`, nIn, width, routing),
    };
  }
  const both = expertLinear(ops, hp, x, fused, nIn, 2 * width, routing);
  return {
    gate: ops.sliceRuns(both, routing.nUsed, 0, width),
    up: ops.sliceRuns(both, routing.nUsed, width, width),
  };
}

/** down(silu(gate(x)) * up(x)) with the shared expert's `ffn_*_shexp` of layer `il`. */
export function sharedExpert(ops: Ops, hp: Hparams, il: number, x: Tensor, width: number): Tensor {
  const blk = `blk.${il}`;
  const gate = linear(ops, x, `${blk}.ffn_gate_shexp`, width);
  const up = linear(ops, x, `${blk}.ffn_up_shexp`, width);
  return linear(ops, ops.gated("silu", gate, up), `${blk}.ffn_down_shexp`, hp.embeddingLength);
}

/**
 * Slots of [rows, nUsed*width] = x . `name`.weight[expert]^T, times the expert's `name`.scale and plus its `name`.bias
 * where the file has them; x is one row for all slots or has one for each.
 */
export function expertLinear(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  name: string,
  nIn: number,
  width: number,
  routing: Routing,
): Tensor {
  const w = ops.weight(`${name}.weight`, [nIn, width, hp.expertCount]);
  ops.sumSquaresByColumn(x, w.name, routing);
  const y = ops.expertMatmul(w, x, routing);
  const scale = ops.optionalWeight(`${name}.scale`, [hp.expertCount]);
  const bias = ops.optionalWeight(`${name}.bias`, [width, hp.expertCount]);
  const scaled = scale ? ops.expertScale(y, scale, routing) : y;
  return bias ? ops.expertAdd(scaled, bias, routing) : scaled;
}

function tokenEmbedding(ops: Ops, hp: Hparams): Weight {
  return ops.weight("token_embd.weight", [hp.embeddingLength, hp.vocabSize]);
}

/**
 * A matrix product where calibration can read its input and a low-rank adapter can join its output. A matrix may have a
 * factor of one element, its name ending in `.scale` (bitnet).
 */
function project(ops: Ops, x: Tensor, w: Weight): Tensor {
  ops.sumSquaresByColumn(x, w.name);
  const y = ops.addLowRank(ops.matmul(w, x), x, w.name);
  const scale = ops.optionalWeight(w.name.replace(/weight$/, "scale"), [1]);
  return scale ? ops.mulWeight(y, scale) : y;
}

function addBias(ops: Ops, y: Tensor, name: string, bias: Bias): Tensor {
  const b = biasWeight(ops, name, y.width, bias);
  return b === undefined ? y : ops.addWeight(y, b);
}

function biasWeight(ops: Ops, name: string, width: number, bias: Bias): Weight | undefined {
  if (bias === "none") return undefined;
  return bias === "required" ? ops.weight(name, [width]) : ops.optionalWeight(name, [width]);
}
