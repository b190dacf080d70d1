// Tensors whose rows are stored together (the _R4, _R8 and _R16 types of ik_llama.cpp) or share one scale behind the tensor
// (I2_S): which plain type they become at load, and how (layouts.ts, moves.ts).

import { GgufError } from "../../formats/errors.ts";
import { type GgmlType, rowBytes, typeByName } from "../../formats/types.ts";
import { Move as MoveWord, PlainRows as PlainRowsWord } from "../memory/abi.generated.ts";
import { LAYOUTS } from "./layouts.ts";

/** How rows of a tensor become plain ones. */
export interface PlainRows {
  /** Rows that are put apart together; a tensor has a multiple of it. */
  readonly rows: number;
  /** Bytes of those rows in the file. */
  readonly bundleBytes: number;
  /** Bytes of a plain row. */
  readonly rowBytes: number;
  /** Whether one scale behind the tensor's rows counts for all. */
  readonly sharedScale: boolean;
  /** The moves, as the kernels read them. */
  readonly words: Uint32Array;
}

/** The type whose kernels multiply tensors of `type`: itself, where rows follow each other. */
export function plainType(type: GgmlType): GgmlType {
  const layout = LAYOUTS[type.name];
  return layout ? typeByName(layout.plain) : type;
}

/**
 * How rows of k weights (whole blocks of `type`) become rows of plainType(type); undefined: they are. Throws GgufError where
 * a row is not a whole number of what is moved at once.
 */
export function plainRows(
  type: GgmlType,
  k: number,
  subject = `${type.name} row`,
): PlainRows | undefined {
  const layout = LAYOUTS[type.name];
  if (!layout) return undefined;
  const plain = typeByName(layout.plain),
    { rowsInterleaved: rows } = type;
  const { weights = plain.blockSize, scales = [], moves } = layout;
  if (k % weights !== 0) {
    throw new GgufError({
      subject,
      expected: `${type.name} rows of a multiple of ${weights} weights`,
      found: String(k),
      remedy: `convert the tensor to ${type.blockSize === 1 ? "BF16" : "a type with blocks of 32, such as IQ4_NL"}`,
    });
  }
  const all = [...scales, ...moves];
  const words = new Uint32Array(PlainRowsWord.words + all.length * MoveWord.words);
  words[PlainRowsWord.rows] = rows;
  words[PlainRowsWord.weights] = weights;
  words[PlainRowsWord.blockBytes] = (weights / type.blockSize) * type.typeSize * rows;
  words[PlainRowsWord.rowBlockBytes] = (weights / plain.blockSize) * plain.typeSize;
  words[PlainRowsWord.scaleBytes] = type.rowMetaBytes * rows;
  words[PlainRowsWord.rowScaleBytes] = plain.rowMetaBytes;
  words[PlainRowsWord.scaleMoves] = scales.length;
  words[PlainRowsWord.moves] = moves.length;
  all.forEach(({ kind, from, step, right = 0, mask, to, left = 0, flip = 0 }, i) =>
    words.set(
      [kind, from, step, right, mask, to, left, flip],
      PlainRowsWord.words + i * MoveWord.words,
    ),
  );
  return {
    rows,
    bundleBytes: rowBytes(type, k) * rows,
    rowBytes: rowBytes(plain, k),
    sharedScale: type.tensorTailBytes > 0,
    words,
  };
}
