// What to write instead of a type whose blocks do not fit a tensor's rows: the next better type with blocks of 32, as
// llama.cpp and ik_llama.cpp choose it; F16 where that does not fit either.

import { type GgmlType, typeByName, type TypeName } from "../../../formats/index.ts";

const INSTEAD: Partial<Record<TypeName, TypeName>> = {
  ...Object.fromEntries(
    [
      ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"],
      ["IQ2_K", "IQ3_K", "IQ2_KS", "IQ3_KS", "IQ4_KS", "IQ4_KSS", "IQ2_KL"],
      ["IQ1_KT", "IQ2_KT", "IQ3_KT", "IQ4_KT"],
    ]
      .flat()
      .map((name) => [name, "IQ4_NL"]),
  ),
  Q2_0: "Q4_0",
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  TQ1_0: "Q4_0",
  TQ2_0: "Q4_0",
  Q4_K: "Q5_0",
  IQ4_K: "Q5_0",
  IQ5_KS: "Q5_0",
  Q5_K: "Q5_1",
  IQ5_K: "Q6_0",
  Q6_K: "Q8_0",
  IQ6_K: "Q8_0",
};

/** `wanted`, or what fits rows of `width` weights. */
export function fittingType(wanted: TypeName, width: number): GgmlType {
  const fits = (name: TypeName) => width % typeByName(name).blockSize === 0;
  if (fits(wanted)) return typeByName(wanted);
  const instead = INSTEAD[wanted];
  return typeByName(instead !== undefined && fits(instead) ? instead : "F16");
}
