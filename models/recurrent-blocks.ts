// Token mixers with recurrent state, said in ops: the Mamba and Mamba-2 layers, which several
// architectures use beside attention. Each takes the normalised input [tokens, embeddingLength] and
// gives [tokens, embeddingLength], in the last layer [outputs, embeddingLength].
import { besideAttention, linear, rmsNorm } from "./blocks.ts";
import type { Hparams, SsmHparams } from "./hparams.ts";
import type { Ops, Tensor, Weight } from "./ops.ts";

/** Convolution over the last tokens with `name`.weight, plus `name`.bias where the file has one. */
export function shortConv(ops: Ops, x: Tensor, taps: number, name: string): Tensor {
  const y = ops.shortConv(x, ops.weight(`${name}.weight`, [taps, x.width]), name);
  const bias = ops.optionalWeight(`${name}.bias`, [x.width]);
  return bias === undefined ? y : ops.addWeight(y, bias);
}

/** Mamba (llama.cpp, build_mamba_layer). `norms`: dt, B and C pass an RMS norm (falcon-mamba). */
export function mambaMixer(
  ops: Ops,
  hp: Hparams & { readonly ssm: SsmHparams },
  il: number,
  input: Tensor,
  norms: "none" | "plain" = "none",
): Tensor {
  const blk = `blk.${il}`;
  const { convKernel, innerSize, stateSize, timeStepRank } = hp.ssm;
  const xz = linear(ops, input, `${blk}.ssm_in`, 2 * innerSize);
  const z = ops.slice(xz, innerSize, innerSize);
  const conv = shortConv(ops, ops.slice(xz, 0, innerSize), convKernel, `${blk}.ssm_conv1d`);
  const x = ops.activation("silu", conv);

  const projected = linear(ops, x, `${blk}.ssm_x`, timeStepRank + 2 * stateSize);
  const part = (start: number, width: number, name: string): Tensor => {
    const slice = ops.slice(projected, start, width);
    if (norms === "plain") return ops.rmsNorm(slice, { eps: hp.normEpsilon });
    const weight = ops.optionalWeight(`${blk}.${name}.weight`, [width]);
    return weight === undefined ? slice : ops.rmsNorm(slice, { eps: hp.normEpsilon, weight });
  };
  const rank = part(0, timeStepRank, "ssm_dt_norm");
  const dt = linear(ops, rank, `${blk}.ssm_dt`, innerSize, "required");
  const y = ops.ssmScan(x, {
    name: `${blk}.ssm`,
    dt: ops.activation("softplus", dt),
    a: ops.weight(`${blk}.ssm_a`, [stateSize, innerSize]),
    b: part(timeStepRank, stateSize, "ssm_b_norm"),
    c: part(timeStepRank + stateSize, stateSize, "ssm_c_norm"),
    d: ops.weight(`${blk}.ssm_d`, [innerSize]),
    nState: stateSize,
    nGroup: 1,
  });
  const rows = besideAttention(ops, hp, il, ops.gated("silu", z, y));
  return linear(ops, rows, `${blk}.ssm_out`, hp.embeddingLength);
}

/** Mamba-2 (llama.cpp, build_mamba2_layer): heads, and a group norm after the gate. */
export function mamba2Mixer(
  ops: Ops,
  hp: Hparams & { readonly ssm: SsmHparams },
  il: number,
  input: Tensor,
): Tensor {
  return mamba2Output(ops, hp, il, mamba2Scan(ops, hp, il, input));
}

/** Its first part, for every token: [tokens, innerSize]. */
export function mamba2Scan(
  ops: Ops,
  hp: Hparams & { readonly ssm: SsmHparams },
  il: number,
  input: Tensor,
): Tensor {
  const blk = `blk.${il}`;
  const { convKernel, innerSize, stateSize, groupCount, timeStepRank: nHead } = hp.ssm;
  const groups = groupCount * stateSize;
  const convWidth = innerSize + 2 * groups;
  const projected = linear(ops, input, `${blk}.ssm_in`, innerSize + convWidth + nHead);
  const z = ops.slice(projected, 0, innerSize);
  const dt = ops.slice(projected, innerSize + convWidth, nHead);
  const mixed = ops.slice(projected, innerSize, convWidth);
  const conv = shortConv(ops, mixed, convKernel, `${blk}.ssm_conv1d`);
  const xbc = ops.activation("silu", conv);
  const y = ops.ssmScan(ops.slice(xbc, 0, innerSize), {
    name: `${blk}.ssm`,
    dt: ops.activation("softplus", ops.addWeight(dt, ops.weight(`${blk}.ssm_dt.bias`, [nHead]))),
    a: ops.weight(`${blk}.ssm_a`, [1, nHead]),
    b: ops.slice(xbc, innerSize, groups),
    c: ops.slice(xbc, innerSize + groups, groups),
    d: ops.weight(`${blk}.ssm_d`, [1, nHead]),
    nState: stateSize,
    nGroup: groupCount,
  });
  return ops.gated("silu", z, y);
}

/** Its second part, for the rows that are wanted. */
export function mamba2Output(
  ops: Ops,
  hp: Hparams & { readonly ssm: SsmHparams },
  il: number,
  scanned: Tensor,
): Tensor {
  const blk = `blk.${il}`;
  const { innerSize, groupCount } = hp.ssm;
  let rows = besideAttention(ops, hp, il, scanned);
  const group = innerSize / groupCount;
  const weight = ops.optionalWeight(`${blk}.ssm_norm.weight`, [group, groupCount]);
  if (weight !== undefined) rows = ops.rmsNorm(rows, { eps: hp.normEpsilon, weight, group });
  return linear(ops, rows, `${blk}.ssm_out`, hp.embeddingLength);
}

/** For architectures whose mixer is only Mamba's: an RMS norm before it and nothing after. */
export function mixerOnly(
  ops: Ops,
  hp: Hparams,
  il: number,
  x: Tensor,
  mixer: (x: Tensor) => Tensor,
): Tensor {
  const y = mixer(rmsNorm(ops, hp, x, `blk.${il}.attn_norm`));
  return ops.add(besideAttention(ops, hp, il, x), y);
}

/** RWKV: x + shifted * w, where shifted is the row before minus this one. */
export function lerp(ops: Ops, x: Tensor, shifted: Tensor, w: Weight): Tensor {
  return ops.add(x, ops.mulWeight(shifted, w));
}
