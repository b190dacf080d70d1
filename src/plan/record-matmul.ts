// The products of the recorder (record.ts): rows of an embedding, and a matrix times a tensor. A product is two
// instructions: its input is packed for the weight's type, once for all that read it, and then multiplied
// (assembly/matmul).

import type { Tensor, Weight } from "../../models/ops.ts";
import { OptionError, PlanError } from "../errors.ts";
import { EmbedIndex, EmbedWord, MatmulWord, Op, PackWord, Word } from "../memory/abi.generated.ts";
import type { Ref, Value } from "./instruction.ts";
import { type Recorded, ref } from "./recorded.ts";
import type { RecordingContext } from "./recording-context.ts";

export function embed(r: RecordingContext, w: Weight): Tensor {
  return embedBy(r, w, EmbedIndex.token);
}

export function embedAt(
  r: RecordingContext,
  w: Weight,
  index: "position" | "zero" | "tokenOrZero",
): Tensor {
  return embedBy(r, w, EmbedIndex[index]);
}

function embedBy(r: RecordingContext, w: Weight, index: EmbedIndex): Recorded {
  const [width, nRows = 1] = w.shape,
    { nCtx } = r.options;
  if (index === EmbedIndex.position && nCtx > nRows) {
    throw new OptionError(
      `nCtx: expected at most ${nRows}, for which the model has learned positions (${w.name}), found ${nCtx}; ` +
        "load it with a smaller context",
    );
  }
  const placed = r.matrix(w);
  const dst = r.tensor(w.name, "tokens", width);
  r.emit(
    Op.embed,
    w.name,
    "tokens",
    [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.width, dst.width],
      [EmbedWord.type, placed.type],
      [EmbedWord.groupBytes, placed.groupBytes],
      [EmbedWord.index, index],
      [EmbedWord.nRows, nRows],
      [EmbedWord.weight, { kind: "weight", weight: placed }],
    ],
    [],
    [ref(dst)],
  );
  return dst;
}

/** x packed for products with weights of `type`; one packing per activation format. */
function packed(
  r: RecordingContext,
  x: Recorded,
  type: number,
  k: number,
): { value: Value; format: number } {
  const { kernels } = r.options;
  const format = kernels.packFormat(type);
  const key = `${x.value.id}:${x.offset}:${x.width}:${format}`;
  let value = r.packs.get(key);
  if (!value) {
    const columns = kernels.tileColumns(format);
    const tile1 = kernels.packTileBytes(format, 1, k),
      tile = kernels.packTileBytes(format, columns, k);
    const bytes = Math.max(tile1, Math.ceil(r.maxRows(x.rows) / columns) * tile);
    value = r.value(`packed ${x.value.name}`, x.rows, bytes);
    const dst: Ref = { kind: "value", value, offset: 0 };
    r.emit(
      Op.pack,
      `pack ${x.value.name}`,
      x.rows,
      [
        [Word.dst, dst],
        [Word.a, ref(x)],
        [Word.aStride, x.stride],
        [Word.width, k],
        [PackWord.format, format],
        [PackWord.tileBytes1, tile1],
        [PackWord.tileBytes, tile],
        [PackWord.tileColumns, columns],
      ],
      [ref(x)],
      [dst],
    );
    r.packs.set(key, value);
  }
  return { value, format };
}

export function matmul(r: RecordingContext, w: Weight, input: Tensor): Tensor {
  const x = input as Recorded,
    { kernels } = r.options;
  const [k, m = 1] = w.shape;
  if (x.width !== k)
    throw new PlanError(`${w.name}: expected an input of width ${k}, found ${x.width}`);
  const placed = r.matrix(w);
  const { value, format } = packed(r, x, placed.type, k);
  const columns = kernels.tileColumns(format);
  const dst = r.tensor(w.name, x.rows, m);
  const a: Ref = { kind: "value", value, offset: 0 };
  r.emit(
    Op.matmul,
    w.name,
    x.rows,
    [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.a, a],
      [Word.width, k],
      [MatmulWord.type, placed.type],
      [MatmulWord.weight, { kind: "weight", weight: placed }],
      [MatmulWord.groupBytes, placed.groupBytes],
      [MatmulWord.nGroups, Math.ceil(m / 4)],
      [MatmulWord.tileBytes1, kernels.packTileBytes(format, 1, k)],
      [MatmulWord.tileBytes, kernels.packTileBytes(format, columns, k)],
      [MatmulWord.tileColumns, columns],
    ],
    [a],
    [ref(dst)],
  );
  return dst;
}
