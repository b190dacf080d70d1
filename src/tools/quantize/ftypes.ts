// The file types that samebit quantize writes: a name, the number that the file carries (general.file_type) and the tensor
// type that most tensors get; mix.ts and mix-ik.ts say which get another. Numbers: llama_ftype of llama.cpp and ik_llama.cpp.

import type { TypeName } from "../../../formats/index.ts";
import { OptionError } from "../../errors.ts";

type Row = readonly [name: string, number: number, type: TypeName];

const GGML = [
  ["F32", 0, "F32"],
  ["F16", 1, "F16"],
  ["BF16", 32, "BF16"],
  ["Q4_0", 2, "Q4_0"],
  ["Q4_1", 3, "Q4_1"],
  ["Q5_0", 8, "Q5_0"],
  ["Q5_1", 9, "Q5_1"],
  ["Q8_0", 7, "Q8_0"],
  ["Q2_K", 10, "Q2_K"],
  ["Q2_K_S", 21, "Q2_K"],
  ["Q3_K_S", 11, "Q3_K"],
  ["Q3_K_M", 12, "Q3_K"],
  ["Q3_K_L", 13, "Q3_K"],
  ["Q4_K_S", 14, "Q4_K"],
  ["Q4_K_M", 15, "Q4_K"],
  ["Q5_K_S", 16, "Q5_K"],
  ["Q5_K_M", 17, "Q5_K"],
  ["Q6_K", 18, "Q6_K"],
  ["IQ1_S", 24, "IQ1_S"],
  ["IQ1_M", 31, "IQ1_M"],
  ["IQ2_XXS", 19, "IQ2_XXS"],
  ["IQ2_XS", 20, "IQ2_XS"],
  ["IQ2_S", 28, "IQ2_XS"],
  ["IQ2_M", 29, "IQ2_S"],
  ["IQ3_XXS", 23, "IQ3_XXS"],
  ["IQ3_XS", 22, "IQ3_S"],
  ["IQ3_S", 26, "IQ3_S"],
  ["IQ3_M", 27, "IQ3_S"],
  ["IQ4_NL", 25, "IQ4_NL"],
  ["IQ4_XS", 30, "IQ4_XS"],
  ["TQ1_0", 36, "TQ1_0"],
  ["TQ2_0", 37, "TQ2_0"],
  ["MXFP4_MOE", 38, "MXFP4"],
  ["NVFP4", 39, "NVFP4"],
  ["Q1_0", 40, "Q1_0"],
  ["Q2_0", 41, "Q2_0"],
] as const satisfies readonly Row[];

const IK = [
  ["Q6_0", 135, "Q6_0"],
  ["IQ1_BN", 136, "IQ1_BN"],
  ["IQ2_BN", 137, "IQ2_BN"],
  ["IQ2_K", 138, "IQ2_K"],
  ["IQ3_K", 139, "IQ3_K"],
  ["IQ3_KL", 146, "IQ3_K"],
  ["IQ4_K", 140, "IQ4_K"],
  ["IQ5_K", 141, "IQ5_K"],
  ["IQ6_K", 142, "IQ6_K"],
  ["IQ2_KS", 147, "IQ2_KS"],
  ["IQ2_KL", 155, "IQ2_KL"],
  ["IQ3_KS", 154, "IQ3_KS"],
  ["IQ4_KSS", 148, "IQ4_KSS"],
  ["IQ4_KS", 145, "IQ4_KS"],
  ["IQ5_KS", 150, "IQ5_KS"],
  ["Q8_KV", 149, "Q8_KV"],
  ["IQ1_KT", 156, "IQ1_KT"],
  ["IQ2_KT", 151, "IQ2_KT"],
  ["IQ3_KT", 152, "IQ3_KT"],
  ["IQ4_KT", 153, "IQ4_KT"],
] as const satisfies readonly Row[];

export type GgmlFtypeName = (typeof GGML)[number][0];
export type IkFtypeName = (typeof IK)[number][0];

/** One kind of quantised file. */
export type Ftype = {
  readonly number: number;
  /** Of every tensor that no rule gives another. */
  readonly type: TypeName;
} & (
  | { readonly name: GgmlFtypeName; readonly from: "llama.cpp" }
  | { readonly name: IkFtypeName; readonly from: "ik_llama.cpp" }
);

export const FTYPES: readonly Ftype[] = [
  ...GGML.map(([name, number, type]) => ({ name, number, type, from: "llama.cpp" }) as const),
  ...IK.map(([name, number, type]) => ({ name, number, type, from: "ik_llama.cpp" }) as const),
];

const ALIASES: ReadonlyMap<string, GgmlFtypeName> = new Map([
  ["Q3_K", "Q3_K_M"],
  ["Q4_K", "Q4_K_M"],
  ["Q5_K", "Q5_K_M"],
]);

/** By name, in any case, or number; undefined for anything else. */
export function findFtype(text: string): Ftype | undefined {
  const upper = text.toUpperCase(),
    name = ALIASES.get(upper) ?? upper;
  return FTYPES.find((ftype) => ftype.name === name || String(ftype.number) === text);
}

/** Throws OptionError for a name that is none. */
export function ftypeCalled(text: string): Ftype {
  const ftype = findFtype(text);
  if (ftype) return ftype;
  const names = FTYPES.map(({ name }) => name).join(", ");
  throw new OptionError(
    `type: expected one of ${names}, or COPY, found ${JSON.stringify(text)}; see samebit quantize --help`,
  );
}
