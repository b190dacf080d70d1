// Which tensor types ik_llama.cpp mixes into files of its own types: the rules of llama_tensor_get_type in its
// src/llama-quantize.cpp (Aug 2026).

import type { TypeName } from "../../../formats/index.ts";
import type { IkFtypeName } from "./ftypes.ts";
import { is70B, isEarly, type MixModel, type MixPlace, wantsMoreBits } from "./mix.ts";

const SUPER_BLOCK = 256;

/** Files whose output is Q5_K, or IQ4_K where the embeddings serve as output. */
const SMALL_OUTPUT: readonly IkFtypeName[] = [
  "IQ2_K",
  "IQ3_K",
  "IQ2_KS",
  "IQ3_KS",
  "IQ2_KL",
  "IQ1_KT",
  "IQ2_KT",
  "IQ3_KT",
];

function outputType(ftype: IkFtypeName, { model, shape, type }: MixPlace): TypeName {
  if (model.architecture === "falcon" || shape[0] % SUPER_BLOCK !== 0) return "Q8_0";
  if (SMALL_OUTPUT.includes(ftype)) return model.tied ? "IQ4_K" : "Q5_K";
  if (model.tied && ["IQ3_KL", "IQ4_KS", "IQ4_KSS"].includes(ftype)) return "IQ5_K";
  return type === "IQ6_K" || type === "Q8_KV" ? type : "Q6_K";
}

const EMBEDDING: Partial<Record<IkFtypeName, TypeName>> = {
  IQ3_KT: "IQ3_S",
  IQ1_BN: "IQ4_NL",
  IQ2_BN: "IQ4_NL",
};

/** IQ2_KT and IQ2_KS: more for attention and the shared experts of models with many experts. */
function lowType(ftype: "IQ2_KT" | "IQ2_KS", place: MixPlace): TypeName | undefined {
  const { name, role, model } = place,
    { nExpert, gqa } = model,
    trellis = ftype === "IQ2_KT";
  switch (role) {
    case "attnV":
      if (gqa >= 4 || nExpert >= 4) return "IQ4_K";
      return gqa >= 2 || (!trellis && nExpert >= 2) ? "IQ3_K" : "Q2_K";
    case "attnOutput":
      if (nExpert >= 4) return "Q5_K";
      return trellis ? "IQ3_K" : undefined;
    default:
  }
  if (nExpert >= 8) {
    if (/attn_[kq]/.test(name)) return "Q4_K";
    if (trellis && /^blk\.0\.ffn_(down|gate|up)/.test(name)) return "IQ3_K";
  }
  if (role === "attnQkv") return trellis ? "IQ3_K" : "IQ2_K";
  if (trellis && name.includes("_shexp.weight")) return "IQ4_K";
  if (role !== "ffnDown" || !isEarly(place)) return undefined;
  return trellis ? "IQ3_K" : "Q2_K";
}

/** Llama 3: 128k tokens, and a type that is better for attn_v and worse for attn_q. */
function isLargeLlama3(model: MixModel): boolean {
  const is8B = model.architecture === "llama" && model.nLayer === 32;
  return model.nVocab >= 127_999 && (is8B || is70B(model));
}

/** Where two or more queries share a key. */
const ATTN_V_SHARED: Partial<Record<IkFtypeName, TypeName>> = {
  IQ2_K: "IQ4_K",
  IQ3_K: "IQ4_K",
  IQ3_KS: "IQ4_KS",
  IQ2_KL: "IQ4_KS",
  IQ3_KL: "IQ5_K",
  IQ4_KS: "IQ5_K",
  IQ4_KSS: "IQ5_K",
  IQ4_K: "IQ5_K",
};
const ATTN_V: Partial<Record<IkFtypeName, TypeName>> = { IQ2_K: "IQ3_K", IQ3_KL: "IQ4_K" };

function attnVType(ftype: IkFtypeName, { model, type }: MixPlace): TypeName | undefined {
  if (model.nExpert >= 4) return "Q8_0";
  if (is70B(model)) return type === "IQ3_K" ? "IQ5_K" : undefined;
  switch (ftype) {
    case "IQ3_KT":
      return model.gqa >= 4 ? "IQ4_K" : "IQ3_K";
    case "IQ4_KT":
      return model.gqa >= 4 ? "IQ5_K" : "IQ4_K";
    case "IQ5_K":
    case "IQ5_KS":
      return isLargeLlama3(model) ? "IQ6_K" : undefined;
    default:
      return (model.gqa >= 2 ? ATTN_V_SHARED[ftype] : undefined) ?? ATTN_V[ftype];
  }
}

function attnQType(ftype: IkFtypeName, { model }: MixPlace): TypeName | undefined {
  if (!isLargeLlama3(model)) return undefined;
  return ftype === "IQ5_K" ? "IQ4_K" : ftype === "IQ5_KS" ? "IQ4_KS" : undefined;
}

const moreLayers = ({ index, model }: MixPlace) => wantsMoreBits(index, model.nLayer);

function ffnDownType(ftype: IkFtypeName, place: MixPlace): TypeName | undefined {
  const plain = !place.model.hasImatrix;
  switch (ftype) {
    case "IQ3_KT":
      return plain ? (isEarly(place) ? "IQ4_K" : "IQ3_K") : undefined;
    case "IQ3_KL":
      return moreLayers(place) ? "IQ4_KS" : "IQ3_K";
    case "IQ4_KS":
    case "IQ4_KSS":
      return plain && isEarly(place) ? "Q5_K" : undefined;
    default:
      return undefined;
  }
}

/** Mixes in which the attn_output of a model of four experts and more is Q5_K. */
const EXPERTS_OUTPUT: readonly IkFtypeName[] = [
  "IQ2_K",
  "IQ3_K",
  "IQ3_KL",
  "IQ3_KS",
  "IQ3_KT",
  "IQ4_K",
  "IQ4_KS",
  "IQ4_KSS",
  "IQ5_KS",
];

function attnOutputType(ftype: IkFtypeName, { model }: MixPlace): TypeName | undefined {
  if (model.architecture === "falcon") return undefined;
  if (model.nExpert >= 4) {
    if (EXPERTS_OUTPUT.includes(ftype)) return "Q5_K";
    return ftype === "IQ2_KL" ? "IQ4_KS" : undefined;
  }
  if (ftype === "IQ2_K" || (ftype === "IQ3_KT" && model.gqa >= 4)) return "IQ3_K";
  return ftype === "IQ3_KL" ? "IQ4_KS" : undefined;
}

/** Type of a tensor in a file of `ftype`; undefined: the file's own. */
export function mixedIkType(ftype: IkFtypeName, place: MixPlace): TypeName | undefined {
  const { name, role, model } = place;
  if (role === "output" || (model.tied && name === "token_embd.weight"))
    return outputType(ftype, place);
  if (role === "tokenEmbedding") return EMBEDDING[ftype];
  if (ftype === "IQ2_KT" || ftype === "IQ2_KS") return lowType(ftype, place);
  if (role === "attnV") return attnVType(ftype, place);
  // parts of names: attn_kv_a, attn_k_b and attn_qkv, too
  if (name.includes("attn_k")) return model.nExpert >= 4 ? "Q8_0" : undefined;
  if (name.includes("attn_q")) return attnQType(ftype, place);
  switch (role) {
    case "ffnDown":
      return ffnDownType(ftype, place);
    case "attnOutput":
      return attnOutputType(ftype, place);
    case "ffnGate":
    case "ffnUp":
      return ftype === "IQ3_KL" && moreLayers(place) ? "IQ4_KS" : undefined;
    default:
      return undefined;
  }
}
