// The kernels over a memory. Every thread has instances of its own of one compiled module.

import { instantiateSync } from "@assemblyscript/loader";
import { SamebitError } from "../errors.ts";
import type { KernelExports } from "./exports.ts";

/** An instance of the kernels over a bank's memory. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): KernelExports {
  return instantiate<KernelExports>(module, memory);
}

/** Of any module that is built as the kernels are. */
export function instantiate<Exports>(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Exports {
  const abort = () => {
    throw new SamebitError(
      "kernels: expected a known instruction, found another; the package's files are of different versions",
    );
  };
  return instantiateSync(module, { env: { memory, abort } }).exports as unknown as Exports;
}
