// rwkv7: no attention and no positions. A token sees the one before it (token shift, mixed in by
// weights of its own for each use) and a matrix per head that follows a generalised delta rule.
// arwkv7 has it in the place of Qwen 2.5's attention. Source: RWKV-7 (arXiv 2503.14456), llama.cpp's
// build_rwkv7_time_mix.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import type { Ops, Tensor, Weight } from "./ops.ts";
import { lerp } from "./recurrent-blocks.ts";

interface Rwkv7Hparams extends Hparams {
  readonly wkvHeadSize: number;
  /** Widths between the two factors of the low-rank projections. */
  readonly ranks: {
    readonly w: number;
    readonly a: number;
    readonly v: number;
    readonly g: number;
  };
}

function hparams(keys: ModelKeys, norm: "rms" | "layer"): Rwkv7Hparams {
  return {
    ...readHparams(keys, norm, "recurrent"),
    wkvHeadSize: keys.u32("wkv.head_size"),
    ranks: {
      w: keys.u32("attention.decay_lora_rank"),
      a: keys.u32("attention.iclr_lora_rank"),
      v: keys.u32("attention.value_residual_mix_lora_rank"),
      g: keys.u32("attention.gate_lora_rank", 0),
    },
  };
}

export const rwkv7: Architecture<Rwkv7Hparams> = {
  names: ["rwkv7"],
  hparams: (keys) => hparams(keys, "layer"),

  forward(ops, hp) {
    let x = blocks.layerNorm(ops, hp, blocks.embedTokens(ops, hp), "token_embd_norm");
    let firstValue: Tensor | undefined;
    for (let il = 0; il < hp.blockCount; il++) {
      const blk = `blk.${il}`;
      const h = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm`);
      const { mixed, value } = timeMix(ops, hp, il, h, firstValue);
      firstValue ??= value;
      x = ops.add(x, mixed);

      // The next token wants this row: only what comes after the shift may be narrowed to the rows
      // whose logits are wanted.
      const g = blocks.layerNorm(ops, hp, x, `${blk}.attn_norm_2`);
      const shifted = ops.sub(ops.tokenShift(g, `${blk}.channel_mix`), g);
      const [gRows, shiftedRows, xRows] = [g, shifted, x].map((t) =>
        blocks.besideAttention(ops, hp, il, t),
      );
      x = blocks.endLayer(ops, il, ops.add(xRows, channelMix(ops, hp, il, gRows, shiftedRows)));
    }
    ops.logits(blocks.outputLogits(ops, hp, blocks.layerNorm(ops, hp, x, "output_norm")));
  },
};

export const arwkv7: Architecture<Rwkv7Hparams> = {
  names: ["arwkv7"],
  hparams: (keys) => hparams(keys, "rms"),

  forward(ops, hp) {
    let firstValue: Tensor | undefined;
    const logits = blocks.preNormForward(ops, hp, blocks.embedTokens(ops, hp), {
      mixer(il, x) {
        const { mixed, value } = timeMix(ops, hp, il, x, firstValue);
        firstValue ??= value;
        return blocks.besideAttention(ops, hp, il, mixed);
      },
    });
    ops.logits(logits);
  },
};

function timeMix(
  ops: Ops,
  hp: Rwkv7Hparams,
  il: number,
  x: Tensor,
  firstValue: Tensor | undefined,
): { mixed: Tensor; value: Tensor } {
  const blk = `blk.${il}.time_mix`;
  const n = hp.embeddingLength;
  const headSize = hp.wkvHeadSize;
  const vector = (name: string): Weight => ops.weight(`${blk}_${name}.weight`, [n]);
  const gated = ops.optionalWeight(`${blk}_g1.weight`, [n, hp.ranks.g]) !== undefined;

  // One fused tensor holds the weights for r, w, k, v, a and, where there is a gate, g.
  const fused = ops.weight(`${blk}_lerp_fused.weight`, [n, 1, 1, gated ? 6 : 5]);
  const shifted = ops.sub(ops.tokenShift(x, blk), x);
  const input = (i: number): Tensor => lerp(ops, x, shifted, ops.weightPart(fused, i * n, n));
  const lowRank = (t: Tensor, name: "w" | "a" | "v" | "g", f: (t: Tensor) => Tensor): Tensor => {
    const low = f(blocks.linear(ops, t, `${blk}_${name}1`, hp.ranks[name]));
    return blocks.linear(ops, low, `${blk}_${name}2`, n);
  };
  const same = (t: Tensor): Tensor => t;
  const sigmoid = (t: Tensor): Tensor => ops.activation("sigmoid", t);

  const r = blocks.linear(ops, input(0), `${blk}_receptance`, n);
  const logit = lowRank(input(1), "w", (t) => ops.activation("tanh", t));
  // exp(-e^(-1/2) * sigmoid): a key keeps at least 0.545 of its value.
  const decay = ops.scale(sigmoid(ops.addWeight(logit, vector("w0"))), -0.606531);
  let k = blocks.linear(ops, input(2), `${blk}_key`, n);
  const xv = input(3);
  let v = blocks.linear(ops, xv, `${blk}_value`, n);
  const ownValue = v;
  if (firstValue !== undefined) {
    const share = sigmoid(ops.addWeight(lowRank(xv, "v", same), vector("v0")));
    v = ops.add(v, ops.mul(ops.sub(firstValue, v), share));
  }
  const a = sigmoid(ops.addWeight(lowRank(input(4), "a", same), vector("a0")));
  const removal = ops.l2Norm(ops.mulWeight(k, vector("k_k")), { eps: 1e-12, group: headSize });
  const ka = ops.mulWeight(k, vector("k_a"));
  k = ops.add(k, ops.sub(ops.mul(a, ka), ka));

  const y = ops.wkv7({
    name: `${blk}.wkv`,
    headSize,
    r,
    w: ops.activation("exp", decay),
    k,
    v,
    removal: { a: ops.scale(removal, -1), b: ops.mul(removal, a) },
  });
  // arwkv7 has no norm here.
  const weight = ops.optionalWeight(`${blk}_ln.weight`, [n]);
  let out = y;
  if (weight !== undefined) {
    const bias = ops.weight(`${blk}_ln.bias`, [n]);
    out = ops.layerNorm(y, { eps: 64e-5, weight, bias, group: headSize });
  }
  const bonus = ops.groupSum(ops.mulWeight(ops.mul(k, r), vector("r_k")), headSize);
  out = ops.add(out, ops.scaleRuns(v, bonus));
  if (gated) out = ops.mul(out, lowRank(input(5), "g", sigmoid));
  return { mixed: blocks.linear(ops, out, `${blk}_output`, n), value: ownValue };
}

function channelMix(ops: Ops, hp: Hparams, il: number, x: Tensor, shifted: Tensor): Tensor {
  const blk = `blk.${il}.channel_mix`;
  const n = hp.embeddingLength;
  const mixed = lerp(ops, x, shifted, ops.weight(`${blk}_lerp_k.weight`, [n]));
  const key = blocks.linear(ops, mixed, `${blk}_key`, hp.feedForwardLength[il]);
  return blocks.linear(ops, ops.activation("relu2", key), `${blk}_value`, n);
}
