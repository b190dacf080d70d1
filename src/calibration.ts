// What the products of each weight were multiplied with, added up by the kernels while the model is evaluated: the base of an
// importance matrix. The engine that was loaded with `calibrate` hands it out.

import type { Bank } from "./memory/bank.ts";
import type { CalibrationPlace } from "./plan/instruction.ts";

/** What went into the products of one weight: by expert where it has several, otherwise one matrix. */
export interface CalibrationSums {
  /** f32 [nMatrices * width]: sums of the squares of every input column. */
  readonly sums: Float32Array;
  /** Rows added up, by matrix. */
  readonly counts: Uint32Array;
  readonly width: number;
}

/** The sums by weight, copied out of the banks; there they begin again at 0. */
export function takeSums(
  calibrations: ReadonlyMap<string, CalibrationPlace>,
  banks: readonly Bank[],
): Map<string, CalibrationSums> {
  const taken = new Map<string, CalibrationSums>();
  for (const [name, { state, width, nMatrices, rowBytes, countsOffset }] of calibrations) {
    const bank = banks.find((b) => b.stateAddress(state) !== undefined)!,
      base = bank.stateAddress(state);
    const sums = new Float32Array(nMatrices * width);
    for (let i = 0; i < nMatrices; i++) sums.set(bank.f32(base + i * rowBytes, width), i * width);
    taken.set(name, { sums, counts: bank.u32(base + countsOffset, nMatrices).slice(), width });
    bank.u8(base, state.bytes).fill(0);
  }
  return taken;
}
