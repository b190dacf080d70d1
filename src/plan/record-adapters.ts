// What changes a model without changing its file, in the recorder (record.ts): low-rank pairs (LoRA) beside a product, and
// control vectors added to a layer's output. Neither leaves an instruction where none was given.

import type { Tensor } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import { BinaryKind, LowRankWord, Op, UnaryKind } from "../memory/abi.generated.ts";
import { binary, unary } from "./record-elementwise.ts";
import { type Recorded, ref } from "./recorded.ts";
import { f32Bits, type RecordingContext } from "./recording-context.ts";

export function addLowRank(r: RecordingContext, y: Tensor, x: Tensor, target: string): Tensor {
  const pairs = r.options.adapters?.get(target);
  if (!pairs) return y;
  const input = x as Recorded,
    dst = unary(r, UnaryKind.copy, "copy", y as Recorded);
  pairs.forEach(({ down, up, rank, scale }, slot) => {
    if (down.length !== rank * input.width || up.length !== rank * dst.width) {
      throw new PlanError(
        `${target}: expected a low-rank pair of [${rank}, ${input.width}] and [${dst.width}, ${rank}], ` +
          `found ${down.length} and ${up.length} elements; the adapter belongs to another model`,
      );
    }
    r.emit(
      Op.lowRank,
      `low rank ${target}`,
      dst.rows,
      [
        ...r.common(dst, input),
        [LowRankWord.down, r.constant(`${target}.a${slot}`, down)],
        [LowRankWord.up, r.constant(`${target}.b${slot}`, up)],
        [LowRankWord.rank, rank],
        [LowRankWord.scale, f32Bits(scale)],
        [LowRankWord.k, input.width],
        [LowRankWord.slot, slot],
      ],
      [ref(input), ref(dst)],
      [ref(dst)],
    );
  });
  return dst;
}

export function addVector(r: RecordingContext, x: Tensor, layer: number): Tensor {
  const vector = r.options.controlVectors?.get(layer),
    a = x as Recorded;
  if (!vector) return x;
  if (a.width % vector.length !== 0)
    throw new PlanError(
      `control vector ${layer}: expected ${a.width} elements, found ${vector.length}`,
    );
  const repeated = Float32Array.from({ length: a.width }, (_, i) => vector[i % vector.length]);
  return binary(
    r,
    BinaryKind.add,
    `control vector ${layer}`,
    a,
    r.constant(`control ${layer}`, repeated),
    0,
    [],
  );
}
