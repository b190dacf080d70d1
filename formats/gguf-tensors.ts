// The tensor directory of one file: entries read and checked one by one, then their data placed in the file
// and checked together (in range, aligned, not overlapping).
import type { Cursor } from "./cursor.ts";
import { DOWNLOAD_AGAIN, GgufError, quote } from "./errors.ts";
import { MAX_DIMS, MAX_NAME_BYTES } from "./gguf-limits.ts";
import { readString } from "./gguf-values.ts";
import type { Source } from "./source.ts";
import { countWeights, findTypeById, type GgmlType, tensorBytes, unknownType } from "./types.ts";

/** A directory entry as it stands in the file. */
export interface TensorEntry {
  readonly name: string;
  readonly type: GgmlType;
  /** Row length (ne0) first. */
  readonly shape: readonly number[];
  /** Product of `shape`. */
  readonly nWeights: number;
  readonly bytes: number;
  /** Offset of the data from the start of the data section. */
  readonly relativeOffset: bigint;
  /** Where the field `relativeOffset` stands in the file, for errors. */
  readonly offsetField: number;
}

/** An entry whose data lies inside the file. */
export interface PlacedTensor extends TensorEntry {
  /** Offset of the data from the start of the file. */
  readonly offset: number;
}

/** Reads entry `index` of `count`; `names` collects the names seen so far. */
export async function readTensorEntry(
  cursor: Cursor,
  index: number,
  count: number,
  names: Set<string>,
): Promise<TensorEntry> {
  const source = cursor.source.name;
  const ordinal = `tensor ${index + 1} of ${count}`;
  const start = cursor.offset;
  const name = await readString(cursor, `name of ${ordinal}`, MAX_NAME_BYTES);
  const subject = `tensor ${quote(name)}`;
  if (name === "" || names.has(name)) {
    throw new GgufError({
      subject: ordinal,
      expected: "a name that no other tensor has",
      found: name === "" ? "an empty name" : `${quote(name)} again`,
      source,
      offset: start,
    });
  }
  names.add(name);

  await cursor.ensure(4, subject);
  const nDims = cursor.u32();
  if (nDims > MAX_DIMS) {
    throw new GgufError({
      subject,
      expected: `at most ${MAX_DIMS} dimensions`,
      found: String(nDims),
      source,
      offset: cursor.offset - 4,
      remedy: DOWNLOAD_AGAIN,
    });
  }
  await cursor.ensure(nDims * 8 + 12, subject);
  const shapeAt = cursor.offset;
  const dims = Array.from({ length: nDims }, () => cursor.u64());
  const typeId = cursor.u32();
  const type = findTypeById(typeId);
  if (type === undefined) {
    const unknown = unknownType(typeId);
    throw new GgufError({
      subject,
      expected: "a known type id",
      ...unknown,
      source,
      offset: cursor.offset - 4,
    });
  }
  const shape = dims.map(Number);
  const bytes = sizeOf(type, shape, dims, { subject, source, offset: shapeAt });
  const relativeOffset = cursor.u64();
  const offsetField = cursor.offset - 8;
  return { name, type, shape, nWeights: countWeights(shape), bytes, relativeOffset, offsetField };
}

function sizeOf(
  type: GgmlType,
  shape: number[],
  dims: bigint[],
  place: { subject: string; source: string; offset: number },
): number {
  try {
    return tensorBytes(type, shape);
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    throw new GgufError({
      ...place,
      expected: error.expected,
      found: `${type.name} of shape [${dims.join(", ")}]`,
      remedy: DOWNLOAD_AGAIN,
    });
  }
}

/** Gives every entry its absolute offset. Throws where data is misaligned, outside the file or shared. */
export function placeTensors(
  entries: readonly TensorEntry[],
  dataOffset: number,
  alignment: number,
  source: Source,
): PlacedTensor[] {
  const placed = entries.map((entry) => {
    const { name, relativeOffset, bytes, offsetField } = entry;
    const subject = `tensor ${quote(name)}`;
    const place = { source: source.name, offset: offsetField };
    if (relativeOffset % BigInt(alignment) !== 0n) {
      throw new GgufError({
        subject,
        expected: `an offset that is a multiple of ${alignment}`,
        found: String(relativeOffset),
        ...place,
      });
    }
    const end = BigInt(dataOffset) + relativeOffset + BigInt(bytes);
    if (end > BigInt(source.size)) {
      throw new GgufError({
        subject,
        expected: `data that ends within the file's ${source.size} bytes`,
        found: `an end at ${end}`,
        ...place,
        remedy: DOWNLOAD_AGAIN,
      });
    }
    return { ...entry, offset: dataOffset + Number(relativeOffset) };
  });
  const byOffset = placed.toSorted((a, b) => a.offset - b.offset);
  for (let i = 1; i < byOffset.length; i++) {
    const [before, after] = [byOffset[i - 1], byOffset[i]];
    if (before.offset + before.bytes > after.offset) {
      throw new GgufError({
        subject: `tensor ${quote(after.name)}`,
        expected: "data of its own",
        found: `an overlap with ${quote(before.name)} at ${after.offset}`,
        source: source.name,
        offset: after.offsetField,
        remedy: DOWNLOAD_AGAIN,
      });
    }
  }
  return placed;
}
