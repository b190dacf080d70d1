// Opens an importance matrix of either of llama.cpp's formats.
import { DOWNLOAD_AGAIN, GgufError, quote } from "./errors.ts";
import { readGguf } from "./gguf.ts";
import type { Imatrix } from "./imatrix.ts";
import { decodeDat } from "./imatrix-dat.ts";
import { imatrixOf } from "./imatrix-gguf.ts";
import type { Source } from "./source.ts";

/**
 * Reads either format. `chunkSize`: tokens of a chunk, which a .dat file does not tell (llama.cpp's default is 512); it only
 * weighs the file against others. Throws GgufError, also for values that are negative or no numbers.
 */
export async function readImatrix(source: Source, chunkSize = 512): Promise<Imatrix> {
  const magic = source.size >= 4 ? String.fromCharCode(...(await source.read(0, 4))) : "";
  const imatrix =
    magic === "GGUF"
      ? await imatrixOf(await readGguf(source))
      : decodeDat(await source.read(0, source.size), source.name, chunkSize);
  for (const [name, { sums, counts }] of imatrix.entries) {
    const wrong = [...counts, ...sums].find((x) => !(x >= 0 && x < Infinity));
    if (wrong === undefined) continue;
    throw new GgufError({
      subject: `imatrix entry ${quote(name)}`,
      expected: "finite values of 0 and above",
      found: String(wrong),
      source: source.name,
      remedy: DOWNLOAD_AGAIN,
    });
  }
  return imatrix;
}
