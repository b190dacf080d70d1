// The legacy imatrix format of llama.cpp. Little-endian:
//
//   i32 nEntries
//   per entry: i32 length, name, i32 nCall, i32 nValues, f32 value[nValues]
//   i32 chunkCount, i32 length, dataset        (absent in the oldest files)
//
// value = (sum / count) * nCall: the mean square, times the number of chunks.
import { DOWNLOAD_AGAIN, GgufError } from "./errors.ts";
import type { Imatrix, ImatrixEntry } from "./imatrix.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/** Entries in the order of their names. Of several datasets the last one is named; an expert that saw nothing has 1s. */
export function encodeDat({ entries, datasets, chunkCount, chunkSize }: Imatrix): Uint8Array {
  const seen = [...entries]
    .filter(([, { counts }]) => counts.some((n) => n > 0))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const dataset = encodeUtf8(datasets.at(-1) ?? "");
  const names = seen.map(([name]) => encodeUtf8(name));
  const size = seen.reduce(
    (n, [, { sums }], i) => n + 12 + names[i].length + sums.length * 4,
    12 + dataset.length,
  );
  const bytes = new Uint8Array(size),
    view = new DataView(bytes.buffer);
  let at = 0;
  const i32 = (n: number) => {
    view.setInt32(at, n, true);
    at += 4;
  };
  const text = (utf8: Uint8Array) => {
    i32(utf8.length);
    bytes.set(utf8, at);
    at += utf8.length;
  };
  i32(seen.length);
  for (const [i, [, { sums, counts }]] of seen.entries()) {
    const nCall = Math.ceil(counts.reduce((a, b) => Math.max(a, b)) / chunkSize),
      width = sums.length / counts.length;
    text(names[i]);
    i32(nCall);
    i32(sums.length);
    for (let j = 0; j < sums.length; j++, at += 4) {
      const count = counts[Math.floor(j / width)];
      view.setFloat32(at, count > 0 ? (sums[j] / count) * nCall : 1, true);
    }
  }
  i32(chunkCount);
  text(dataset);
  return bytes;
}

/** `name`: of the file, for errors. */
export function decodeDat(bytes: Uint8Array, name: string, chunkSize: number): Imatrix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    entries = new Map<string, ImatrixEntry>();
  let at = 0;
  const fail = (expected: string, found: string) =>
    new GgufError({
      subject: "imatrix",
      expected,
      found,
      source: name,
      offset: at,
      remedy: `${DOWNLOAD_AGAIN}, or give an imatrix`,
    });
  const i32 = (what: string, least: number) => {
    if (at + 4 > bytes.length) throw fail(what, "the end of the file");
    const n = view.getInt32(at, true);
    if (n < least) throw fail(what, String(n));
    at += 4;
    return n;
  };
  const take = (what: string, length: number) => {
    if (length > bytes.length - at)
      throw fail(`${length} bytes of ${what}`, `${bytes.length - at} bytes`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const nEntries = i32("a number of entries", 1);
  for (let i = 0; i < nEntries; i++) {
    const weight = decodeUtf8(take("a name", i32("a name's length", 1)));
    // llama.cpp divides by nCall only where it is above 0
    const nCall = Math.max(i32("a number of calls", 0), 1),
      nValues = i32("a number of values", 1);
    if (entries.has(weight)) throw fail("a name that no other entry has", JSON.stringify(weight));
    take("values", nValues * 4);
    const start = at - nValues * 4;
    entries.set(weight, {
      sums: Float32Array.from(
        { length: nValues },
        (_, j) => view.getFloat32(start + j * 4, true) * chunkSize,
      ),
      counts: Float32Array.of(nCall * chunkSize),
    });
  }
  if (at === bytes.length) return { entries, datasets: [], chunkCount: 0, chunkSize };
  const chunkCount = i32("a number of chunks", 0),
    dataset = decodeUtf8(take("the data set's name", i32("its length", 0)));
  return { entries, datasets: dataset === "" ? [] : [dataset], chunkCount, chunkSize };
}
