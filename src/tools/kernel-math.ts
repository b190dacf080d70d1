// The kernels' transcendental functions without a model, for tools that only read files.

import { chooseKernels, instantiateKernels, probeMemory } from "../kernels/module.ts";
import type { SamplerMath } from "../sampling/math.ts";

export async function kernelMath(): Promise<Pick<SamplerMath, "log64">> {
  const { log64 } = instantiateKernels((await chooseKernels()).module, probeMemory());
  return { log64 };
}
