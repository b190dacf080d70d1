// Which tensor types llama.cpp mixes into a file of one type: more bits for what errors hurt most. The rules are those of
// llama_tensor_get_type in its src/llama-quant.cpp; Feb 2025 and Aug 2026 agree but for fused attention (attn_qkv, attn_kv_b),
// which the newer one treats as attn_v.

import type { TypeName } from "../../../formats/index.ts";
import type { GgmlFtypeName } from "./ftypes.ts";
import type { Role } from "./roles.ts";

/** What the rules ask about a model. */
export interface MixModel {
  readonly architecture: string;
  readonly nLayer: number;
  readonly nVocab: number;
  /** Heads of queries that share one of keys; 0: none. */
  readonly gqa: number;
  readonly nExpert: number;
  /** token_embd serves as output, too. */
  readonly tied: boolean;
  readonly hasImatrix: boolean;
  /** Tensors of the role attnV, attnQkv or attnKvB. */
  readonly nAttnV: number;
}

/** A tensor and its place in the model. */
export interface MixPlace {
  readonly model: MixModel;
  readonly name: string;
  readonly role: Role;
  readonly shape: readonly number[];
  /** What the file's type gives it, block size included. */
  readonly type: TypeName;
  readonly blockSize: number;
  /** Which of its kind this is (attnV, ffnDown, ffnGate, ffnUp), from 0: the layer, where experts are not apart. */
  readonly index: number;
}

/** Undefined: the file's own type. */
export type MixRule = (place: MixPlace) => TypeName | undefined;
type Rules = Partial<Record<GgmlFtypeName, MixRule>>;

const always =
  (type: TypeName): MixRule =>
  () =>
    type;

const eighth = (n: number) => Math.floor(n / 8);
export const isEarly = ({ index, model }: MixPlace) => index < eighth(model.nLayer);

/** The first and last eighth of n, and every third one between. */
export function wantsMoreBits(index: number, n: number): boolean {
  return index < eighth(n) || index >= Math.floor((7 * n) / 8) || (index - eighth(n)) % 3 === 2;
}

/** Llama 2 and 3, Qwen2: eight queries share a key, so its attn_v is small. */
export function is70B({ architecture, nLayer, gqa }: MixModel): boolean {
  return nLayer === 80 && gqa !== 1 && ["llama", "qwen2"].includes(architecture);
}

const isFalcon = ({ model }: MixPlace) => model.architecture === "falcon";
const shared = ({ model }: MixPlace) => model.gqa >= 4;

/** File types of less than three bits: few rules, and the same for all of them. */
const LOW: readonly GgmlFtypeName[] = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"];
/** The upper two of them. */
const isUpperLow = (ftype: GgmlFtypeName) => ftype === "IQ2_S" || ftype === "IQ2_M";

function outputType(ftype: GgmlFtypeName, { model, shape, type, blockSize }: MixPlace): TypeName {
  if (ftype === "MXFP4_MOE" || model.architecture === "falcon" || shape[0] % blockSize !== 0)
    return "Q8_0";
  if (LOW.includes(ftype) || ftype === "IQ3_XXS") return "Q5_K";
  return type === "Q8_0" ? type : "Q6_K";
}

const EMBEDDING: Partial<Record<GgmlFtypeName, TypeName>> = {
  IQ1_S: "Q2_K",
  IQ1_M: "Q2_K",
  IQ2_XXS: "Q2_K",
  IQ2_XS: "Q2_K",
  IQ2_S: "IQ3_S",
  IQ2_M: "IQ3_S",
  IQ3_XXS: "IQ3_S",
  TQ1_0: "Q4_K",
  TQ2_0: "Q4_K",
  Q2_0: "Q4_K",
};

function lowType(ftype: GgmlFtypeName, place: MixPlace): TypeName | undefined {
  const { model, role } = place,
    better = isUpperLow(ftype) ? "IQ3_S" : "Q2_K";
  switch (role) {
    case "attnV":
    case "attnQkv":
    case "attnKvB":
      return shared(place) || model.nExpert >= 4 ? "Q4_K" : better;
    case "attnK":
      return model.nExpert === 8 ? "Q4_K" : undefined;
    case "ffnDown":
      return isEarly(place) ? better : undefined;
    case "attnOutput":
      if (model.nExpert === 8) return "Q5_K";
      if (isUpperLow(ftype)) return "IQ3_S";
      return ftype === "IQ1_S" || ftype === "IQ1_M" ? "IQ2_XXS" : undefined;
    default:
      return undefined;
  }
}

const moreBits: MixRule = ({ index, model }) =>
  wantsMoreBits(index, model.nAttnV) ? "Q6_K" : undefined;
const whenShared =
  (type: TypeName): MixRule =>
  (place) =>
    shared(place) ? type : undefined;

const ATTN_V: Rules = {
  Q2_K: (place) => (shared(place) ? "Q4_K" : "Q3_K"),
  Q2_K_S: whenShared("Q4_K"),
  Q3_K_M: ({ index }) => (index < 2 ? "Q5_K" : "Q4_K"),
  Q3_K_L: always("Q5_K"),
  Q4_K_S: ({ index }) => (index < 4 ? "Q5_K" : undefined),
  Q4_K_M: moreBits,
  Q5_K_M: moreBits,
  IQ3_XXS: (place) => (shared(place) ? "Q4_K" : place.model.hasImatrix ? "IQ3_XXS" : "IQ3_S"),
  IQ3_XS: whenShared("Q4_K"),
  IQ3_S: whenShared("Q4_K"),
  IQ3_M: always("Q4_K"),
  IQ4_NL: whenShared("Q5_K"),
  IQ4_XS: whenShared("Q5_K"),
};

function attnVType(ftype: GgmlFtypeName, place: MixPlace): TypeName | undefined {
  if (place.model.nExpert === 8) return "Q8_0";
  const type = ATTN_V[ftype]?.(place);
  const small = is70B(place.model) && ["Q3_K", "Q4_K"].includes(type ?? place.type);
  return small ? "Q5_K" : type;
}

/** attn_q and attn_k. */
const ATTN_QK: Partial<Record<GgmlFtypeName, TypeName>> = { IQ3_XS: "IQ3_XXS", IQ3_XXS: "IQ2_S" };

const ifEarly =
  (type: TypeName): MixRule =>
  (place) =>
    isEarly(place) ? type : undefined;
const moreLayers = ({ index, model }: MixPlace) => wantsMoreBits(index, model.nLayer);
/** Legacy types with an offset: they go astray on ffn_down without importance weights. */
const offsetWithImatrix =
  (type: TypeName): MixRule =>
  (place) =>
    place.model.hasImatrix && isEarly(place) ? type : undefined;
const earlyWithoutImatrix =
  (type: TypeName): MixRule =>
  (place) =>
    !place.model.hasImatrix && isEarly(place) ? type : undefined;
const isVeryEarly = ({ index, model }: MixPlace) => index < Math.floor(model.nLayer / 16);

const FFN_DOWN: Rules = {
  Q2_K: always("Q3_K"),
  Q2_K_S: ifEarly("Q4_K"),
  Q3_K_M: (place) =>
    isVeryEarly(place) ? "Q5_K" : !isFalcon(place) || moreLayers(place) ? "Q4_K" : "Q3_K",
  Q3_K_L: (place) => (isFalcon(place) ? "Q4_K" : "Q5_K"),
  Q4_K_S: (place) => (!isFalcon(place) && isEarly(place) ? "Q5_K" : undefined),
  Q4_K_M: (place) => {
    if (!isFalcon(place)) return moreLayers(place) ? "Q6_K" : undefined;
    return isVeryEarly(place) ? "Q6_K" : moreLayers(place) ? "Q5_K" : "Q4_K";
  },
  Q5_K_M: (place) => (moreLayers(place) ? "Q6_K" : undefined),
  IQ3_XXS: (place) => {
    if (place.model.hasImatrix) return undefined;
    return isEarly(place) ? "Q4_K" : "Q3_K";
  },
  IQ3_M: (place) =>
    isEarly(place) || (place.model.nExpert === 8 && moreLayers(place)) ? "Q4_K" : undefined,
  IQ4_NL: earlyWithoutImatrix("Q5_K"),
  IQ4_XS: earlyWithoutImatrix("Q5_K"),
  Q4_0: offsetWithImatrix("Q4_1"),
  Q5_0: offsetWithImatrix("Q5_1"),
};

const ATTN_OUTPUT: Partial<Record<GgmlFtypeName, TypeName>> = {
  Q2_K: "Q3_K",
  Q3_K_M: "Q4_K",
  Q3_K_L: "Q5_K",
  IQ3_XXS: "IQ3_S",
  IQ3_M: "Q4_K",
};
/** Mixes in which the attn_output of a model of eight experts, small beside them, is Q5_K. */
const EXPERTS_OUTPUT: readonly GgmlFtypeName[] = [
  "Q2_K",
  "Q3_K_S",
  "Q3_K_M",
  "Q4_K_S",
  "Q4_K_M",
  "IQ3_XXS",
  "IQ3_XS",
  "IQ3_S",
  "IQ3_M",
  "IQ4_NL",
  "IQ4_XS",
];

function attnOutputType(ftype: GgmlFtypeName, place: MixPlace): TypeName | undefined {
  if (isFalcon(place)) return ftype === "Q3_K_L" ? "Q4_K" : undefined;
  if (place.model.nExpert === 8) return EXPERTS_OUTPUT.includes(ftype) ? "Q5_K" : undefined;
  return ATTN_OUTPUT[ftype];
}

/** Type of a tensor in a file of `ftype`; undefined: the file's own. */
export function mixedType(ftype: GgmlFtypeName, place: MixPlace): TypeName | undefined {
  const { role, model, shape, index } = place;
  if (role === "output" || (model.tied && role === "tokenEmbedding"))
    return outputType(ftype, place);
  if (ftype === "MXFP4_MOE") return (shape[2] ?? 1) > 1 ? "MXFP4" : "Q8_0";
  if (role === "tokenEmbedding") return EMBEDDING[ftype];
  if (LOW.includes(ftype)) return lowType(ftype, place);
  switch (role) {
    case "attnV":
    case "attnQkv":
    case "attnKvB":
      return attnVType(ftype, place);
    case "attnK":
      return model.nExpert === 8 ? "Q8_0" : ATTN_QK[ftype];
    case "attnQ":
      return ATTN_QK[ftype];
    case "ffnDown":
      return FFN_DOWN[ftype]?.(place);
    case "attnOutput":
      return attnOutputType(ftype, place);
    case "ffnGate":
    case "ffnUp": {
      const middle = index >= eighth(model.nLayer) && index < Math.floor((7 * model.nLayer) / 8);
      return ftype === "IQ3_XS" && middle ? "IQ3_XXS" : undefined;
    }
    default:
      return undefined;
  }
}
