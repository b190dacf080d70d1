// A recorder over stub kernels and a tiny set of tensors, for tests of planning alone.

import { Recorder, type RecordOptions } from "../../../src/plan/record.ts";
import type { Recording } from "../../../src/plan/instruction.ts";
import type { KernelExports } from "../../../src/kernels/exports.ts";
import type { Ops } from "../../../models/ops.ts";

/** Sizes as the real kernels would give them for f32; type 0 only. */
export const stubKernels = {
  isSupported: (type: number) => type === 0,
  groupBytes: (_: number, k: number) => 16 * k,
  packFormat: () => 7,
  tileColumns: () => 4,
  packTileBytes: (_: number, c: number, k: number) => 4 * c * k,
  pow64: (x: number, y: number) => x ** y,
  log64: (x: number) => Math.log(x),
} as unknown as KernelExports;

/** Pages of the KV cache. */
export const PAGES = { whole: 4, window: 4 };

export function record(
  shapes: Record<string, number[]>,
  forward: (ops: Ops) => void,
  options: Partial<RecordOptions> = {},
): Recording {
  const recorder = new Recorder({
    kernels: stubKernels,
    weights: "compact",
    kType: 0,
    vType: 0,
    nBatch: 16,
    nOutputs: 4,
    nSequences: 2,
    nCtx: 64,
    nThreads: 2,
    tensor: (name) =>
      shapes[name] && { name, shape: shapes[name], type: 0, typeName: "F32", offset: 0 },
    ...options,
  });
  forward(recorder);
  return recorder.finish();
}

/** A small transformer-like forward pass with tied embeddings. */
export const shapes: Record<string, number[]> = {
  "token_embd.weight": [16, 40],
  ...Object.fromEntries(
    [0, 1, 2].flatMap((l) => [
      [`blk.${l}.norm`, [16]],
      [`blk.${l}.q`, [16, 16]],
      [`blk.${l}.k`, [16, 8]],
      [`blk.${l}.v`, [16, 8]],
      [`blk.${l}.o`, [16, 16]],
    ]),
  ),
};

export function forward(ops: Ops): void {
  const embd = ops.weight("token_embd.weight", [16, 40]);
  let x = ops.embed(embd);
  for (const l of [0, 1, 2]) {
    const h = ops.rmsNorm(x, { eps: 1e-5, weight: ops.weight(`blk.${l}.norm`, [16]) });
    const q = ops.matmul(ops.weight(`blk.${l}.q`, [16, 16]), h);
    const k = ops.matmul(ops.weight(`blk.${l}.k`, [16, 8]), h);
    const v = ops.matmul(ops.weight(`blk.${l}.v`, [16, 8]), h);
    const cache = ops.kvStore(l, k, v, { nHeadKv: 1, headDimK: 8, headDimV: 8 });
    const a = ops.attention(q, { cache, nHead: 2, scale: 1 });
    x = ops.add(x, ops.matmul(ops.weight(`blk.${l}.o`, [16, 16]), a));
  }
  ops.logits(ops.matmul(embd, ops.outputRows(x)));
}
