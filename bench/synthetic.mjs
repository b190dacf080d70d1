// Writes a synthetic Llama model of a given shape and quantisation mix: random but valid blocks, so that speed and memory
// can be measured without downloading a model.
//   node bench/synthetic.mjs 160M Q4_K_M out.gguf
// Shapes: 160M, 1B, 8B. Mixes: Q4_K_M, Q8_0, Q4_0, IQ4_XS, IQ2_XS, IQ3_S, F16. Needs the built package (npm run build).

import { openSync, writeSync, closeSync } from "node:fs";
import { Metadata, tensorBytes, typeByName, writeGguf } from "../dist/formats/index.js";

const SHAPES = {
  "160M": { nLayer: 12, nEmbd: 768, nFf: 3072, nHead: 12, nHeadKv: 4, nVocab: 32000 },
  "1B": { nLayer: 16, nEmbd: 2048, nFf: 8192, nHead: 32, nHeadKv: 8, nVocab: 128256 },
  "8B": { nLayer: 32, nEmbd: 4096, nFf: 14336, nHead: 32, nHeadKv: 8, nVocab: 128256 },
};
const [shapeName = "160M", mix = "Q4_K_M", path = `/tmp/samebit-${shapeName}-${mix}.gguf`] =
  process.argv.slice(2);
const shape = SHAPES[shapeName];
if (!shape)
  throw new Error(`shape: expected one of ${Object.keys(SHAPES).join(", ")}, found ${shapeName}`);
const { nLayer, nEmbd, nFf, nHead, nHeadKv, nVocab } = shape;
const kv = (nEmbd / nHead) * nHeadKv;

/**
 * Type of a tensor in the mix, as llama.cpp mixes them. Q4_K_M: Q6_K for the output and half of v and down. IQ2_XS, IQ3_S:
 * more bits for the output, for values that many heads share, and for the first layers' down.
 */
function typeOf(name, layer) {
  const more =
    layer < nLayer / 8 || layer >= (7 * nLayer) / 8 || (layer - Math.floor(nLayer / 8)) % 3 === 2;
  const sharesMuch = nHead / nHeadKv >= 4;
  if (mix === "Q4_K_M") {
    if (name === "output" || ((name === "attn_v" || name === "ffn_down") && more)) return "Q6_K";
    return "Q4_K";
  }
  if (mix === "IQ2_XS") {
    if (name === "output") return "Q5_K";
    if (name === "token_embd" || (name === "ffn_down" && layer < nLayer / 8)) return "Q2_K";
    return name === "attn_v" ? (sharesMuch ? "Q4_K" : "Q2_K") : "IQ2_XS";
  }
  if (mix === "IQ3_S") {
    if (name === "output") return "Q6_K";
    return name === "attn_v" && sharesMuch ? "Q4_K" : "IQ3_S";
  }
  return mix;
}

// offsets of f16 scales in a block, and its size
const SCALES = {
  Q2_K: [80, 82],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  Q8_0: [0],
  Q4_0: [0],
  IQ4_XS: [0],
  IQ2_XS: [0],
  IQ3_S: [0],
};
let seed = 1;
const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);

/** Random bytes with small finite scales; a chunk is repeated, since only speed matters. */
function* blocks(typeName, bytes) {
  const type = typeByName(typeName),
    n = Math.max(1, Math.floor((1 << 20) / type.typeSize));
  const chunk = new Uint8Array(n * type.typeSize),
    view = new DataView(chunk.buffer);
  if (typeName === "F32") for (let i = 0; i < n; i++) view.setFloat32(i * 4, 1, true);
  else if (typeName === "F16")
    for (let i = 0; i < n; i++) view.setUint16(i * 2, 0x2000 | ((random() >>> 16) & 0x8fff), true);
  else {
    for (let i = 0; i < chunk.length; i++) chunk[i] = random() >>> 24;
    for (let b = 0; b < n; b++)
      for (const o of SCALES[typeName])
        view.setUint16(b * type.typeSize + o, 0x1000 | ((random() >>> 20) & 0x3ff), true);
  }
  for (let done = 0; done < bytes; done += chunk.length)
    yield chunk.subarray(0, Math.min(chunk.length, bytes - done));
}

const metadata = new Metadata("synthetic");
const set = (key, type, value) => metadata.set(key, { type, value });
const array = (key, elementType, values) => set(key, "array", { elementType, values });
set("general.architecture", "string", "llama");
set("general.name", "string", `synthetic ${shapeName} ${mix}`);
for (const [key, value] of Object.entries({
  block_count: nLayer,
  context_length: 32768,
  embedding_length: nEmbd,
  feed_forward_length: nFf,
  "attention.head_count": nHead,
  "attention.head_count_kv": nHeadKv,
  "rope.dimension_count": nEmbd / nHead,
}))
  set(`llama.${key}`, "u32", value);
set("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5);
set("tokenizer.ggml.model", "string", "llama");
array(
  "tokenizer.ggml.tokens",
  "string",
  Array.from({ length: nVocab }, (_, i) =>
    i < 3
      ? ["<unk>", "<s>", "</s>"][i]
      : i < 259
        ? `<0x${(i - 3).toString(16).toUpperCase().padStart(2, "0")}>`
        : `t${i}`,
  ),
);
array(
  "tokenizer.ggml.scores",
  "f32",
  Float32Array.from({ length: nVocab }, (_, i) => -i),
);
array(
  "tokenizer.ggml.token_type",
  "i32",
  Int32Array.from({ length: nVocab }, (_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)),
);
set("tokenizer.ggml.bos_token_id", "u32", 1);
set("tokenizer.ggml.eos_token_id", "u32", 2);

const tensors = [];
const add = (name, typeName, tensorShape) => {
  const type = typeByName(typeName),
    bytes = tensorBytes(type, tensorShape);
  tensors.push({ name, type, shape: tensorShape, bytes, data: () => blocks(typeName, bytes) });
};
add("token_embd.weight", typeOf("token_embd", 0), [nEmbd, nVocab]);
for (let l = 0; l < nLayer; l++) {
  add(`blk.${l}.attn_norm.weight`, "F32", [nEmbd]);
  add(`blk.${l}.attn_q.weight`, typeOf("attn_q", l), [nEmbd, nEmbd]);
  add(`blk.${l}.attn_k.weight`, typeOf("attn_k", l), [nEmbd, kv]);
  add(`blk.${l}.attn_v.weight`, typeOf("attn_v", l), [nEmbd, kv]);
  add(`blk.${l}.attn_output.weight`, typeOf("attn_output", l), [nEmbd, nEmbd]);
  add(`blk.${l}.ffn_norm.weight`, "F32", [nEmbd]);
  add(`blk.${l}.ffn_gate.weight`, typeOf("ffn_gate", l), [nEmbd, nFf]);
  add(`blk.${l}.ffn_up.weight`, typeOf("ffn_up", l), [nEmbd, nFf]);
  add(`blk.${l}.ffn_down.weight`, typeOf("ffn_down", l), [nFf, nEmbd]);
}
add("output_norm.weight", "F32", [nEmbd]);
add("output.weight", typeOf("output", 0), [nEmbd, nVocab]);

const fd = openSync(path, "w");
const bytes = await writeGguf({ write: (part) => void writeSync(fd, part) }, { metadata, tensors });
closeSync(fd);
console.log(`${path}: ${bytes} bytes`);
