// bert and its kin: encoders in which every token sees every other and the norms stand after each residual sum. bert has
// learned positions and a plain GELU network, nomic-bert and jina-bert-v3 rotary ones (nomic-bert-moe with experts in
// every other layer), jina-bert-v2 ALiBi. Encoders with norms before each part are in modern-bert.ts.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";

interface BertHparams extends Hparams {
  readonly tokenTypeCount: number;
}

interface NomicBertMoeHparams extends BertHparams {
  /** The second of every n layers has experts; 0: none has. */
  readonly moeEveryNLayers: number;
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
    encode(ops, hp, x, { ffn: (il, h) => geluFfn(ops, hp, il, h) });
  },
};

export const nomicBert: Architecture<BertHparams> = {
  names: ["nomic-bert"],
  result: "embedding",
  hparams,

  forward(ops, hp) {
    encode(ops, hp, embedTokens(ops, hp), {
      attention: { rope: blocks.ropeParams(ops, hp, "neox") },
      ffn: (il, h) => blocks.gatedFfn(ops, hp, il, h),
    });
  },
};

export const nomicBertMoe: Architecture<NomicBertMoeHparams> = {
  names: ["nomic-bert-moe"],
  result: "embedding",
  hparams: (keys) => ({
    ...hparams(keys),
    moeEveryNLayers: keys.u32("moe_every_n_layers", 0),
  }),

  forward(ops, hp) {
    const hasExperts = (il: number): boolean =>
      hp.moeEveryNLayers > 0 && il % hp.moeEveryNLayers === 1;
    encode(ops, hp, embedTokens(ops, hp), {
      attention: { rope: blocks.ropeParams(ops, hp, "neox") },
      ffn: (il, h) => (hasExperts(il) ? plainExperts(ops, hp, il, h) : geluFfn(ops, hp, il, h)),
    });
  },
};

export const jinaBertV3: Architecture<BertHparams> = {
  names: ["jina-bert-v3"],
  result: "embedding",
  hparams,

  forward(ops, hp) {
    encode(ops, hp, embedTokens(ops, hp), {
      attention: { rope: blocks.ropeParams(ops, hp, "neox") },
      ffn: (il, h) => geluFfn(ops, hp, il, h),
    });
  },
};

// jina-bert-v2's files do not say it.
const MAX_ALIBI_BIAS = 8;

export const jinaBertV2: Architecture<BertHparams> = {
  names: ["jina-bert-v2"],
  result: "embedding",
  rankHead: { clsWidth: 1 },
  hparams,

  forward(ops, hp) {
    const nEmbd = hp.embeddingLength;
    encode(ops, hp, embedTokens(ops, hp), {
      attention: {
        alibiMaxBias: MAX_ALIBI_BIAS,
        // Over all heads together, in the models for code.
        qkNorm: (x, name) =>
          ops.optionalWeight(`${name}_norm.weight`, [x.width])
            ? blocks.layerNorm(ops, hp, x, `${name}_norm`, "optional")
            : x,
      },
      // The models for code add the layer's input a second time.
      afterAttention: (il, sum, input) =>
        ops.optionalWeight(`blk.${il}.attn_norm_2.weight`, [nEmbd])
          ? blocks.layerNorm(ops, hp, ops.add(sum, input), `blk.${il}.attn_norm_2`, "optional")
          : sum,
      ffn: (il, h) =>
        ops.optionalWeight(`blk.${il}.ffn_gate.weight`, [nEmbd, hp.feedForwardLength[il]])
          ? blocks.gatedFfn(ops, hp, il, h, "gelu", "optional")
          : blocks.fusedGatedFfn(ops, hp, il, h, "gelu", "optional"),
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
  /** Beside what all have: every key is visible, biases where the file has them. */
  readonly attention?: blocks.AttentionBlock;
  /** From attention's normed sum with the layer's input, and that input, to what the network reads. */
  readonly afterAttention?: (il: number, sum: Tensor, input: Tensor) => Tensor;
  readonly ffn: (il: number, x: Tensor) => Tensor;
}

function encode(ops: Ops, hp: Hparams, embedded: Tensor, block: EncoderBlock): void {
  const attention: blocks.AttentionBlock = {
    ...block.attention,
    bias: "optional",
    outputBias: "optional",
    causal: false,
  };
  let x = blocks.layerNorm(ops, hp, embedded, "token_embd_norm");
  for (let il = 0; il < hp.blockCount; il++) {
    const blk = `blk.${il}`;
    const a = blocks.attention(ops, hp, il, x, attention);
    const sum = blocks.layerNorm(ops, hp, ops.add(a, x), `${blk}.attn_output_norm`);
    const h = block.afterAttention ? block.afterAttention(il, sum, x) : sum;
    const y = ops.add(block.ffn(il, h), h);
    x = ops.tap(blocks.layerNorm(ops, hp, y, `${blk}.layer_output_norm`), `l_out-${il}`);
  }
  ops.embedding(x);
}

function geluFfn(ops: Ops, hp: Hparams, il: number, x: Tensor): Tensor {
  return blocks.plainFfn(ops, hp, il, x, "gelu", "optional");
}

/** Experts without a gate, weighed with the softmax over all of them. */
function plainExperts(ops: Ops, hp: Hparams, il: number, x: Tensor): Tensor {
  const blk = `blk.${il}`;
  const { embeddingLength: nEmbd, expertFeedForwardLength: width } = hp;
  const scores = blocks.linear(ops, x, `${blk}.ffn_gate_inp`, hp.expertCount);
  const routing = ops.route(ops.tap(scores, `ffn_moe_logits-${il}`), {
    nUsed: hp.expertUsedCount,
    gating: "softmax",
    normalise: false,
  });
  const up = blocks.expertLinear(ops, hp, x, `${blk}.ffn_up_exps`, nEmbd, width, routing);
  const inner = ops.activation("gelu", up);
  const down = `${blk}.ffn_down_exps`;
  return ops.expertSum(blocks.expertLinear(ops, hp, inner, down, width, nEmbd, routing), routing);
}
