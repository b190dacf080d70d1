// What gemma3n and gemma4 share: an embedding of each token for every layer, and attention whose last layers
// read the keys and values of earlier ones.
import * as blocks from "./blocks.ts";
import { ModelError } from "./errors.ts";
import type { Hparams, ModelKeys } from "./hparams.ts";
import type { KvCache, Ops, RopeParams, Tensor } from "./ops.ts";

export interface PerLayerHparams extends Hparams {
  readonly windows: readonly (number | undefined)[];
  /** Width of a layer's own embedding; 0: there is none. */
  readonly embeddingLengthPerLayerInput: number;
  /** Layers from here on have no keys and values of their own. */
  readonly firstSharedKvLayer: number;
  /** Rotary base of the windowed layers. */
  readonly ropeFreqBaseSwa: number;
  /** 0: logits are not capped. */
  readonly finalLogitSoftcapping: number;
}

/** The layer whose keys and values layer `il` reads: its own, or the last one of its kind. */
export function kvLayer(hp: PerLayerHparams, il: number): number {
  const first = hp.firstSharedKvLayer;
  if (il < first) return il;
  const isWindowed = hp.windows[il] !== undefined;
  return hp.windows.slice(0, first).findLastIndex((w) => (w !== undefined) === isWindowed);
}

/** `attention.shared_kv_layers` as the first layer that shares; `fallback`: without the key. */
export function readFirstSharedKvLayer(
  keys: ModelKeys,
  blockCount: number,
  fallback: number,
): number {
  const shared = keys.u32("attention.shared_kv_layers", undefined);
  return shared === undefined ? Math.min(fallback, blockCount) : Math.max(blockCount - shared, 0);
}

/**
 * [tokens, blockCount * embeddingLengthPerLayerInput]: the layers' own embeddings side by side, from
 * the token and from the scaled embedding `x`.
 */
export function perLayerEmbeddings(ops: Ops, hp: PerLayerHparams, x: Tensor): Tensor {
  const each = hp.embeddingLengthPerLayerInput;
  const width = each * hp.blockCount;
  const table = ops.weight("per_layer_token_embd.weight", [width, hp.vocabSize]);
  const ofToken = ops.scale(ops.embedAt(table, "tokenOrZero"), Math.sqrt(each));
  const projected = blocks.linear(ops, x, "per_layer_model_proj", width);
  const scaled = ops.scale(projected, 1 / Math.sqrt(hp.embeddingLength));
  const ofInput = blocks.rmsNorm(ops, hp, scaled, "per_layer_proj_norm", each);
  return ops.scale(ops.add(ofInput, ofToken), Math.SQRT1_2);
}

/** What layer `il` makes of its own embedding, gated by x; joins the residual stream. */
export function perLayerInput(
  ops: Ops,
  hp: PerLayerHparams,
  il: number,
  x: Tensor,
  embeddings: Tensor,
): Tensor {
  const blk = `blk.${il}`;
  const each = hp.embeddingLengthPerLayerInput;
  const own = blocks.besideAttention(ops, hp, il, ops.slice(embeddings, il * each, each));
  const gated = ops.gated("gelu", blocks.linear(ops, x, `${blk}.inp_gate`, each), own);
  const projected = blocks.linear(ops, gated, `${blk}.proj`, hp.embeddingLength);
  return blocks.rmsNorm(ops, hp, projected, `${blk}.post_norm`);
}

/**
 * Attention of layer `il`: heads of q and k normalised with a weight, of v without; scale 1. Layers that own keys and
 * values add their cache to `caches`, the others find one there. Without `attn_v` the projected key is the value.
 */
export function sharedKvAttention(
  ops: Ops,
  hp: PerLayerHparams,
  il: number,
  x: Tensor,
  rope: RopeParams,
  caches: Map<number, KvCache>,
): Tensor {
  const blk = `blk.${il}`;
  const { headDim } = rope;
  const nHead = hp.headCount[il];
  const nHeadKv = hp.headCountKv[il];
  const head = (name: string, n: number): Tensor =>
    blocks.linear(ops, x, `${blk}.${name}`, n * headDim);
  const normed = (y: Tensor, name: string): Tensor =>
    ops.rope(blocks.rmsNorm(ops, hp, y, `${blk}.${name}_norm`, headDim), rope);

  const q = normed(head("attn_q", nHead), "attn_q");
  if (kvLayer(hp, il) === il) {
    const k = head("attn_k", nHeadKv);
    const hasV = ops.optionalWeight(`${blk}.attn_v.weight`, [x.width, nHeadKv * headDim]);
    const v = hasV ? head("attn_v", nHeadKv) : k;
    const vNormed = ops.rmsNorm(v, { eps: hp.normEpsilon, group: headDim });
    const shape = { nHeadKv, headDimK: headDim, headDimV: headDim, window: hp.windows[il] };
    caches.set(il, ops.kvStore(il, normed(k, "attn_k"), vNormed, shape));
  }
  const cache = caches.get(kvLayer(hp, il));
  if (cache === undefined) {
    const kind = hp.windows[il] === undefined ? "without" : "with";
    throw new ModelError({
      subject: `key "${hp.architecture}.attention.shared_kv_layers"`,
      expected: `a layer ${kind} a window among the first ${hp.firstSharedKvLayer}, for layer ${il} to read its keys and values`,
      found: "none",
      remedy:
        "the file's metadata is damaged or was converted wrongly; --override-kv can set single values",
    });
  }
  const heads = ops.attention(q, { cache, nHead, scale: 1, window: hp.windows[il] });
  const rows = blocks.besideAttention(ops, hp, il, ops.tap(heads, `kqv_out-${il}`));
  return blocks.linear(ops, rows, `${blk}.attn_output`, hp.embeddingLength);
}
