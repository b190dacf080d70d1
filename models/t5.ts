// t5: an encoder, which sees its whole text at once, and a decoder, which reads the encoder's result
// through cross-attention. Positions enter as a bias by distance, which the first layer of each half
// holds for all; attention is not scaled. t5encoder: the encoder alone, for embeddings.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import type { AttentionParams, KvCache, Ops, Tensor } from "./ops.ts";

interface T5Hparams extends Hparams {
  readonly decoderBlockCount: number;
  readonly relativeBucketsCount: number;
}

export const t5: Architecture<T5Hparams> = {
  names: ["t5"],
  hasEncoder: true,
  hparams,

  forward(ops, hp) {
    const memory = remember(ops, hp, encode(ops, hp));
    ops.endEncoder();
    decode(ops, hp, memory);
  },
};

export const t5encoder: Architecture<T5Hparams> = {
  names: ["t5encoder"],
  result: "embedding",
  hparams,
  forward: (ops, hp) => ops.embedding(encode(ops, hp)),
};

function hparams(keys: ModelKeys): T5Hparams {
  const hp = readHparams(keys, "rms");
  return {
    ...hp,
    decoderBlockCount: keys.u32("decoder_block_count", hp.blockCount),
    relativeBucketsCount: keys.u32("attention.relative_buckets_count"),
  };
}

function encode(ops: Ops, hp: T5Hparams): Tensor {
  const relativeBias = bias(ops, hp, "enc", true);
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `enc.blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const cache = store(ops, hp, il, h, `${blk}.attn`);
    x = ops.add(x, attend(ops, hp, h, `${blk}.attn`, { cache, causal: false, relativeBias }));
    x = ops.add(x, ffn(ops, hp, blk, x));
  }
  return blocks.rmsNorm(ops, hp, x, "enc.output_norm");
}

/** The keys and values of the encoder's result that each layer of the decoder reads. */
function remember(ops: Ops, hp: T5Hparams, out: Tensor): KvCache[] {
  return Array.from({ length: hp.decoderBlockCount }, (_, il) =>
    store(ops, hp, hp.blockCount + hp.decoderBlockCount + il, out, `dec.blk.${il}.cross_attn`),
  );
}

function decode(ops: Ops, hp: T5Hparams, memory: readonly KvCache[]): void {
  const relativeBias = bias(ops, hp, "dec", false);
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.decoderBlockCount; il++) {
    const blk = `dec.blk.${il}`;
    const h = blocks.rmsNorm(ops, hp, x, `${blk}.attn_norm`);
    const cache = store(ops, hp, hp.blockCount + il, h, `${blk}.attn`);
    x = ops.add(x, attend(ops, hp, h, `${blk}.attn`, { cache, relativeBias }));

    const c = blocks.rmsNorm(ops, hp, x, `${blk}.cross_attn_norm`);
    const cross = { cache: memory[il], cross: true };
    x = ops.add(x, attend(ops, hp, c, `${blk}.cross_attn`, cross));
    if (il === hp.decoderBlockCount - 1) x = ops.outputRows(x);
    x = ops.add(x, ffn(ops, hp, blk, x));
  }
  ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "dec.output_norm")));
}

function bias(
  ops: Ops,
  hp: T5Hparams,
  half: "enc" | "dec",
  bidirectional: boolean,
): AttentionParams["relativeBias"] {
  const shape = [hp.headCount[0], hp.relativeBucketsCount];
  return { weight: ops.weight(`${half}.blk.0.attn_rel_b.weight`, shape), bidirectional };
}

function store(ops: Ops, hp: Hparams, layer: number, x: Tensor, name: string): KvCache {
  const { keyLength: headDimK, valueLength: headDimV } = hp;
  const [nHeadKv] = hp.headCountKv;
  const k = blocks.linear(ops, x, `${name}_k`, nHeadKv * headDimK);
  const v = blocks.linear(ops, x, `${name}_v`, nHeadKv * headDimV);
  return ops.kvStore(layer, k, v, { nHeadKv, headDimK, headDimV });
}

function attend(
  ops: Ops,
  hp: Hparams,
  x: Tensor,
  name: string,
  params: Omit<AttentionParams, "nHead" | "scale">,
): Tensor {
  const [nHead] = hp.headCount;
  const q = blocks.linear(ops, x, `${name}_q`, nHead * hp.keyLength);
  const heads = ops.attention(q, { ...params, nHead, scale: 1 });
  return blocks.linear(ops, heads, `${name}_o`, hp.embeddingLength);
}

/** T5 1.1 and later: gated GELU; the first T5: ReLU without a gate. */
function ffn(ops: Ops, hp: Hparams, blk: string, input: Tensor): Tensor {
  const [width] = hp.feedForwardLength;
  const x = blocks.rmsNorm(ops, hp, input, `${blk}.ffn_norm`);
  const isGated = ops.optionalWeight(`${blk}.ffn_gate.weight`, [x.width, width]) !== undefined;
  const up = blocks.linear(ops, x, `${blk}.ffn_up`, width);
  const inner = isGated
    ? ops.gated("gelu", blocks.linear(ops, x, `${blk}.ffn_gate`, width), up)
    : ops.activation("relu", up);
  return blocks.linear(ops, inner, `${blk}.ffn_down`, hp.embeddingLength);
}
