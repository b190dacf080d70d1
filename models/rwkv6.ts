// rwkv6: RWKV-6 ("Finch"). As in rwkv7 a token sees the one before it, mixed in by weights that depend on
// the token; a matrix per head fades and learns one outer product per token, and is read before it learns,
// with a bonus for the token itself. rwkv6qwen2 (QRWKV) has this in the place of Qwen 2.5's attention, read
// after it learned. Source: RWKV-6 (arXiv 2404.05892), llama.cpp's build_rwkv6_time_mix.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { ModelError } from "./errors.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";
import { lerp } from "./recurrent-blocks.ts";

interface Rwkv6Hparams extends Hparams {
  readonly wkvHeadSize: number;
  /** Widths between the two factors of the low-rank projections. */
  readonly timeMixExtraDim: number;
  readonly timeDecayExtraDim: number;
  /** The residual stream is halved after every so many layers; 0: never. */
  readonly rescaleEveryNLayers: number;
}

function hparams(keys: ModelKeys, norm: "rms" | "layer"): Rwkv6Hparams {
  const hp = readHparams(keys, norm, "recurrent");
  const wkvHeadSize = keys.u32("wkv.head_size");
  const nHead = hp.embeddingLength / wkvHeadSize;
  const divides = hp.headCountKv.every((nHeadKv) => nHead % (nHeadKv || nHead) === 0);
  if (!Number.isInteger(nHead) || !divides) {
    throw new ModelError({
      subject: `key "${keys.architecture}.wkv.head_size"`,
      expected: `heads of equal size in ${hp.embeddingLength} columns, shared evenly by [${hp.headCountKv.join(", ")}] key heads`,
      found: String(wkvHeadSize),
    });
  }
  return {
    ...hp,
    wkvHeadSize,
    timeMixExtraDim: keys.u32("time_mix_extra_dim"),
    timeDecayExtraDim: keys.u32("time_decay_extra_dim"),
    rescaleEveryNLayers: keys.u32("rescale_every_n_layers", 0),
  };
}

export const rwkv6: Architecture<Rwkv6Hparams> = {
  names: ["rwkv6"],
  hparams: (keys) => hparams(keys, "layer"),

  forward(ops, hp) {
    let x = blocks.layerNorm(ops, hp, blocks.embedTokens(ops, hp), "token_embd_norm");
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm`);
      const { r, w, k, v, gate } = timeMixInputs(ops, hp, il, h);
      x = ops.add(x, timeMixOutput(ops, hp, il, readBefore(ops, hp, il, { r, w, k, v }), gate));

      // The next token wants this row: only what comes after the shift may be narrowed to the rows
      // whose logits are wanted.
      const g = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm_2`);
      const shifted = ops.sub(ops.tokenShift(g, `${blk}.channel_mix`), g);
      const [gRows, shiftedRows, xRows] = [g, shifted, x].map((t) =>
        blocks.besideAttention(ops, hp, il, t),
      );
      x = ops.add(xRows, channelMix(ops, hp, il, gRows, shiftedRows));
      const every = hp.rescaleEveryNLayers;
      if (every > 0 && (il + 1) % every === 0) x = ops.scale(x, 0.5);
      x = blocks.endLayer(ops, il, x);
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};

export const rwkv6qwen2: Architecture<Rwkv6Hparams> = {
  names: ["rwkv6qwen2"],
  hparams: (keys) => hparams(keys, "rms"),

  forward(ops, hp) {
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      mixer(il, x) {
        const { r, w, k, v, gate } = timeMixInputs(ops, hp, il, x);
        const y = ops.wkv7({
          name: `blk.${il}.time_mix.wkv`,
          headSize: hp.wkvHeadSize,
          r: ops.scale(r, 1 / Math.sqrt(hp.wkvHeadSize)),
          w,
          k: ops.sub(k, ops.mul(k, w)),
          v,
        });
        const gated = blocks.besideAttention(ops, hp, il, ops.gated("sigmoid", gate, y));
        return blocks.linear(ops, gated, `blk.${il}.time_mix_output`, hp.embeddingLength);
      },
    });
    ops.logits(logits);
  },
};

/** All [tokens, embeddingLength]. w: what each key keeps, between 0 and 1. */
interface TimeMix {
  readonly r: Tensor;
  readonly w: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

function timeMixInputs(
  ops: Ops,
  hp: Rwkv6Hparams,
  il: number,
  x: Tensor,
): TimeMix & { readonly gate: Tensor } {
  const blk = `blk.${il}.time_mix`;
  const n = hp.embeddingLength;
  const nKv = hp.headCountKv[il] * hp.wkvHeadSize || n;
  const shifted = ops.sub(ops.tokenShift(x, blk), x);
  const input = mixedInputs(ops, hp, blk, x, shifted);
  const r = blocks.linear(ops, input("r"), `${blk}_receptance`, n, "optional");
  const k = blocks.linear(ops, input("k"), `${blk}_key`, nKv, "optional");
  const v = blocks.linear(ops, input("v"), `${blk}_value`, nKv, "optional");
  const gate = blocks.linear(ops, input("g"), `${blk}_gate`, n);
  const low = blocks.linear(ops, input("w"), `${blk}_decay_w1`, hp.timeDecayExtraDim);
  const logit = blocks.linear(ops, ops.activation("tanh", low), `${blk}_decay_w2`, n);
  const rate = ops.addWeight(logit, ops.weight(`${blk}_decay.weight`, [n]));
  const w = ops.activation("exp", ops.scale(ops.activation("exp", rate), -1));
  // Each key head serves several heads of r that lie side by side.
  const perHead = (t: Tensor): Tensor =>
    nKv === n ? t : ops.concat(Array<Tensor>(n / nKv).fill(t), hp.headCountKv[il]);
  return { r, w, k: perHead(k), v: perHead(v), gate };
}

// The five uses of a token, in the order of the fused tensors.
const USES = ["w", "k", "v", "r", "g"] as const;

/** For each use: x + shifted * (weight + what a low-rank projection of the token adds to it). */
function mixedInputs(
  ops: Ops,
  hp: Rwkv6Hparams,
  blk: string,
  x: Tensor,
  shifted: Tensor,
): (use: (typeof USES)[number]) => Tensor {
  const n = hp.embeddingLength;
  const dim = hp.timeMixExtraDim;
  const xx = lerp(ops, x, shifted, ops.weight(`${blk}_lerp_x.weight`, [n]));
  const low = ops.activation("tanh", blocks.linear(ops, xx, `${blk}_w1`, USES.length * dim));
  const w2 = ops.weight(`${blk}_w2.weight`, [dim, n, USES.length]);
  const added = ops.matmulByRun(w2, low);
  // Older files have five tensors in place of a fused one.
  const fused = ops.optionalWeight(`${blk}_lerp_fused.weight`, [n, 1, 1, USES.length]);
  return (use) => {
    const i = USES.indexOf(use);
    const weight = fused
      ? ops.weightPart(fused, i * n, n)
      : ops.weight(`${blk}_lerp_${use}.weight`, [n]);
    return ops.add(x, ops.mul(ops.addWeight(ops.slice(added, i * n, n), weight), shifted));
  };
}

/**
 * The state is read before the token's own key and value join it: what joins it at a token is that of the
 * one before. The token itself counts with a weight of its own per key.
 */
function readBefore(ops: Ops, hp: Rwkv6Hparams, il: number, { r, w, k, v }: TimeMix): Tensor {
  const blk = `blk.${il}.time_mix`;
  const headSize = hp.wkvHeadSize;
  const before = (t: Tensor, name: string): Tensor => ops.tokenShift(t, `${blk}.${name}`);
  const y = ops.wkv7({
    name: `${blk}.wkv`,
    headSize,
    r,
    w: before(w, "decay"),
    k: before(k, "key"),
    v: before(v, "value"),
  });
  const first = ops.weight(`${blk}_first.weight`, [headSize, hp.embeddingLength / headSize]);
  const own = ops.groupSum(ops.mulWeight(ops.mul(r, k), first), headSize);
  return ops.add(y, ops.scaleRuns(v, own));
}

function timeMixOutput(ops: Ops, hp: Rwkv6Hparams, il: number, y: Tensor, gate: Tensor): Tensor {
  const blk = `blk.${il}.time_mix`;
  const n = hp.embeddingLength;
  const weight = ops.weight(`${blk}_ln.weight`, [n]);
  const bias = ops.weight(`${blk}_ln.bias`, [n]);
  const normalised = ops.layerNorm(y, { eps: 64e-5, weight, bias, group: hp.wkvHeadSize });
  return blocks.linear(ops, ops.gated("silu", gate, normalised), `${blk}_output`, n);
}

function channelMix(ops: Ops, hp: Hparams, il: number, x: Tensor, shifted: Tensor): Tensor {
  const blk = `blk.${il}.channel_mix`;
  const n = hp.embeddingLength;
  const input = (name: string): Tensor =>
    lerp(ops, x, shifted, ops.weight(`${blk}_lerp_${name}.weight`, [n]));
  const key = blocks.linear(ops, input("k"), `${blk}_key`, hp.feedForwardLength[il]);
  const value = blocks.linear(ops, ops.activation("relu2", key), `${blk}_value`, n);
  return ops.gated("sigmoid", blocks.linear(ops, input("r"), `${blk}_receptance`, n), value);
}
