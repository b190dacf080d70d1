// Importance matrices: for every weight, the sum of squares of each input column over the rows of a calibration text.
// Files: imatrix-gguf.ts and imatrix-dat.ts write them, imatrix-file.ts reads both.
import { GgufError, quote } from "./errors.ts";

/** What went into the products of one weight: one matrix, or one for each expert. */
export interface ImatrixEntry {
  /** f32 [nMatrices * width]: sums of squares by input column. */
  readonly sums: Float32Array;
  /**
   * f32 [nMatrices]: rows that were added up. The .dat format does not tell experts apart: an entry read from it has one
   * count for all of them.
   */
  readonly counts: Float32Array;
}

export interface Imatrix {
  /** By weight name. */
  readonly entries: ReadonlyMap<string, ImatrixEntry>;
  /** Texts it was made from. */
  readonly datasets: readonly string[];
  /** Chunks of the texts, and tokens of a chunk. */
  readonly chunkCount: number;
  readonly chunkSize: number;
}

/** All of them as one: sums, counts and chunks added. Throws GgufError where one weight has two sizes. */
export function combineImatrices(parts: readonly Imatrix[]): Imatrix {
  const entries = new Map<string, ImatrixEntry>();
  for (const part of parts) {
    for (const [name, entry] of part.entries)
      entries.set(name, addEntries(name, entries.get(name), entry));
  }
  return {
    entries,
    datasets: parts.flatMap((part) => part.datasets),
    chunkCount: parts.reduce((n, part) => n + part.chunkCount, 0),
    chunkSize: parts.at(-1)?.chunkSize ?? 512,
  };
}

/** Sums and counts added in f32; neither argument is changed. */
export function addEntries(
  name: string,
  a: ImatrixEntry | undefined,
  b: ImatrixEntry,
): ImatrixEntry {
  if (a === undefined) return b;
  const nMatrices = Math.max(a.counts.length, b.counts.length),
    fits = ({ counts }: ImatrixEntry) => counts.length === nMatrices || counts.length === 1;
  if (a.sums.length !== b.sums.length || !fits(a) || !fits(b)) {
    throw new GgufError({
      subject: `imatrix entry ${quote(name)}`,
      expected: `${a.sums.length} values for ${a.counts.length} matrices`,
      found: `${b.sums.length} for ${b.counts.length}`,
      remedy: "combine files of one model only",
    });
  }
  const count = ({ counts }: ImatrixEntry, i: number) =>
    counts.length === 1 ? counts[0] : counts[i];
  return {
    sums: a.sums.map((x, i) => x + b.sums[i]),
    counts: Float32Array.from({ length: nMatrices }, (_, i) => count(a, i) + count(b, i)),
  };
}

/** Mean square of every input column, f32 [nMatrices * width]: what quantisers weigh by. 1 where nothing was seen. */
export function importance({ sums, counts }: ImatrixEntry): Float32Array {
  const width = sums.length / counts.length;
  return sums.map((sum, i) => {
    const count = counts[Math.floor(i / width)];
    return count > 0 ? sum / count : 1;
  });
}
