// bert and nomic-bert: encoders. Every token sees every other; the norms stand after each residual
// sum. bert has learned positions and a plain GELU network, nomic-bert rotary ones and a gated network.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

interface BertHparams extends Hparams {
  readonly tokenTypeCount: number;
}

function hparams(keys: ModelKeys): BertHparams {
  const tokenTypeCount = keys.metadata.getU32("tokenizer.ggml.token_type_count", 1);
  return { ...readHparams(keys, "layer"), tokenTypeCount };
}

export const bert: Architecture<BertHparams> = {
  names: ["bert"],
  result: "embedding",
  hparams,

  forward(ops, hp) {
    const shape = [hp.embeddingLength, hp.contextLength];
    const positions = ops.weight("position_embd.weight", shape);
    const x = ops.add(embedTokens(ops, hp), ops.embedAt(positions, "position"));
    encode(ops, hp, x, {
      attention: { bias: "optional", outputBias: "optional" },
      ffn: (il, h) => blocks.plainFfn(ops, hp, il, h, "gelu", "optional"),
    });
  },
};

export const nomicBert: Architecture<BertHparams> = {
  names: ["nomic-bert"],
  result: "embedding",
  hparams,

  forward(ops, hp) {
    const rope = blocks.ropeParams(ops, hp, "neox");
    encode(ops, hp, embedTokens(ops, hp), {
      attention: { rope, bias: "optional", outputBias: "optional" },
      ffn: (il, h) => blocks.gatedFfn(ops, hp, il, h),
    });
  },
};

/** Token embedding plus that of token type 0 ("sentence A"), the only one in use. */
function embedTokens(ops: Ops, hp: BertHparams): Tensor {
  const x = blocks.embedTokens(ops, hp);
  const types = hp.tokenTypeCount;
  const w = ops.optionalWeight("token_types.weight", [hp.embeddingLength, types]);
  return w === undefined ? x : ops.add(x, ops.embedAt(w, "zero"));
}

interface EncoderBlock {
  readonly attention: blocks.AttentionBlock;
  readonly ffn: (il: number, x: Tensor) => Tensor;
}

function encode(ops: Ops, hp: Hparams, embedded: Tensor, block: EncoderBlock): void {
  let x = blocks.layerNorm(ops, hp, embedded, "token_embd_norm");
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const a = blocks.attention(ops, hp, il, x, { ...block.attention, causal: false });
    x = blocks.layerNorm(ops, hp, ops.add(a, x), `${blk}.attn_output_norm`);
    const y = ops.add(block.ffn(il, x), x);
    x = ops.tap(blocks.layerNorm(ops, hp, y, `${blk}.layer_output_norm`), `l_out-${il}`);
  }
  ops.embedding(x);
}
