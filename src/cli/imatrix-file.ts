// Importance matrices on disk: read and combined, written whole.

import {
  combineImatrices,
  encodeDat,
  type Imatrix,
  imatrixContents,
  readImatrix,
  writeGguf,
} from "../../formats/index.ts";
import { platform } from "../platform/index.ts";
import { writeFileWhole } from "../platform/output-file.ts";

export type ImatrixFormat = "gguf" | "dat";

/** All files as one; undefined for none. `chunkSize`: tokens of a chunk, which .dat files do not tell. */
export async function readImatrixFiles(
  paths: readonly string[],
  chunkSize: number,
): Promise<Imatrix | undefined> {
  const parts: Imatrix[] = [];
  for (const path of paths) {
    const source = await platform.openFile(path);
    try {
      parts.push(await readImatrix(source, chunkSize));
    } finally {
      await source.close?.();
    }
  }
  return parts.length === 0 ? undefined : combineImatrices(parts);
}

/** The file at `path` is replaced at once, or not at all. Without `format` its name decides. */
export async function writeImatrixFile(
  path: string,
  imatrix: Imatrix,
  format: ImatrixFormat = path.endsWith(".dat") ? "dat" : "gguf",
): Promise<void> {
  if (format === "dat") return writeFileWhole(path, encodeDat(imatrix));
  const parts: Uint8Array[] = [];
  await writeGguf({ write: (bytes) => void parts.push(bytes) }, imatrixContents(imatrix));
  writeFileWhole(path, Buffer.concat(parts));
}
