// A recorded plan before it has addresses: instructions whose words may refer to values, weights, caches and states.
// record.ts makes it, banks.ts splits it over memories, allocate.ts gives addresses, encode.ts writes it.

import type { Rows } from "../../models/ops.ts";
import type { Op } from "../memory/abi.generated.ts";
import type { PlacedCache, PlacedState, PlacedWeight } from "../memory/placed.ts";

/** A buffer in the arena, written by one instruction (or grown in place by later ones) and read by others. */
export interface Value {
  readonly id: number;
  readonly name: string;
  readonly bytes: number;
  /** Bytes of a row and the kind of rows, for copying between banks; rowBytes 0: copy all of it. */
  readonly rowBytes: number;
  readonly rows: Rows;
  /** Must survive to the end of the plan (logits, traced values, what the head reads). */
  keep: boolean;
  /** The host writes it before a run: no other value may use its memory at any time. */
  hostWritten: boolean;
}

export type Ref =
  | { readonly kind: "value"; readonly value: Value; readonly offset: number }
  | { readonly kind: "weight"; readonly weight: PlacedWeight; readonly offset?: number }
  | { readonly kind: "cache"; readonly cache: PlacedCache; readonly part: "k" | "v" }
  | { readonly kind: "state"; readonly state: PlacedState; readonly offset: number };

export interface Instr {
  readonly op: Op;
  readonly rows: Rows;
  /** For messages and traces: what this computes. */
  readonly label: string;
  /** Word index -> number (u32) or reference. */
  readonly words: ReadonlyMap<number, number | Ref>;
  readonly reads: readonly Ref[];
  readonly writes: readonly Ref[];
  /** True once the rows whose logits are wanted have been picked: this part runs once per chunk of outputs. */
  readonly head: boolean;
  /** True in the part that runs once over the encoder's tokens of a sequence. */
  readonly encoder: boolean;
}

/** Where a weight's sums of squares are: f32 [nMatrices, width], rows of rowBytes; counts u32 [nMatrices]. Offsets in bytes. */
export interface CalibrationPlace {
  readonly state: PlacedState;
  readonly width: number;
  readonly nMatrices: number;
  readonly rowBytes: number;
  readonly countsOffset: number;
}

export interface Recording {
  readonly instrs: readonly Instr[];
  readonly weights: readonly PlacedWeight[];
  readonly caches: readonly PlacedCache[];
  readonly states: readonly PlacedState[];
  /** By the weight's name; empty unless the plan calibrates. */
  readonly calibrations: ReadonlyMap<string, CalibrationPlace>;
  readonly taps: ReadonlyMap<
    string,
    {
      readonly value: Value;
      readonly offset: number;
      readonly rows: Rows;
      readonly width: number;
      readonly stride: number;
    }
  >;
  /** Logits [outputs, nVocab], or an embedding [tokens or sequences, width]. */
  readonly result: {
    readonly value: Value;
    readonly offset: number;
    readonly rows: Rows;
    readonly width: number;
    readonly stride: number;
  };
  /** One u32, set when the result holds a NaN. */
  readonly nanFlag: Value;
}
