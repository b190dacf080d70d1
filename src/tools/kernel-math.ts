// The kernels' transcendental functions without a model, for tools that only read files.

import { instantiateKernels } from "../kernels/instance.ts";
import { chooseKernels, probeMemory } from "../kernels/module.ts";
import type { SamplerMath } from "../sampling/math.ts";

export async function kernelMath(): Promise<Pick<SamplerMath, "log64">> {
  const { module, shared } = await chooseKernels("base", false);
  const { log64 } = instantiateKernels(module, probeMemory(shared));
  return { log64 };
}
