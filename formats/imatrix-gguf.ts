// llama.cpp's GGUF form of an importance matrix: `general.type` "imatrix", keys `imatrix.*`, and for every weight the tensors
// `<weight>.in_sum2` F32 [width, nMatrices] and `<weight>.counts` F32 [1, nMatrices].
import { GgufError, quote } from "./errors.ts";
import { type Gguf, readTensor } from "./gguf.ts";
import type { GgufContents, TensorToWrite } from "./gguf-writer.ts";
import type { Imatrix, ImatrixEntry } from "./imatrix.ts";
import { typeByName } from "./types.ts";

const SUMS = ".in_sum2",
  COUNTS = ".counts";

/** What writeGguf needs: tensors in the order of the weights' names. */
export function imatrixContents({
  entries,
  datasets,
  chunkCount,
  chunkSize,
}: Imatrix): GgufContents {
  const type = typeByName("F32"),
    tensors: TensorToWrite[] = [];
  for (const [name, { sums, counts }] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    // ggml leaves trailing dimensions of 1 out
    const shape = (width: number) => (counts.length === 1 ? [width] : [width, counts.length]);
    tensors.push({
      name: name + SUMS,
      type,
      shape: shape(sums.length / counts.length),
      data: littleEndian(sums),
    });
    tensors.push({ name: name + COUNTS, type, shape: shape(1), data: littleEndian(counts) });
  }
  return {
    metadata: [
      ["general.type", { type: "string", value: "imatrix" }],
      [
        "imatrix.datasets",
        { type: "array", value: { elementType: "string", values: [...datasets] } },
      ],
      ["imatrix.chunk_count", { type: "u32", value: chunkCount }],
      ["imatrix.chunk_size", { type: "u32", value: chunkSize }],
    ],
    tensors,
  };
}

/** Throws GgufError where the file is another kind of GGUF, or a tensor lacks its companion. */
export async function imatrixOf(gguf: Gguf): Promise<Imatrix> {
  const { metadata, tensors } = gguf,
    kind = metadata.getString("general.type", "");
  const fail = (subject: string, expected: string, found: string) =>
    new GgufError({ subject, expected, found, source: metadata.source });
  if (kind !== "imatrix")
    throw fail("general.type", '"imatrix"', kind === "" ? "none: a model?" : quote(kind));
  const entries = new Map<string, ImatrixEntry>();
  for (const name of tensors.keys()) {
    if (!name.endsWith(SUMS)) continue;
    const weight = name.slice(0, -SUMS.length);
    const sums = await floats(gguf, name, fail),
      counts = await floats(gguf, weight + COUNTS, fail);
    if (sums.length % counts.length !== 0)
      throw fail(name, `values for ${counts.length} matrices`, String(sums.length));
    entries.set(weight, { sums, counts });
  }
  if (entries.size === 0) throw fail("imatrix", `tensors named *${SUMS}`, "none");
  return {
    entries,
    datasets: metadata.getStrings("imatrix.datasets", []),
    chunkCount: metadata.getU32("imatrix.chunk_count", 0),
    chunkSize: metadata.getU32("imatrix.chunk_size", 512),
  };
}

async function floats(
  gguf: Gguf,
  name: string,
  fail: (subject: string, expected: string, found: string) => GgufError,
): Promise<Float32Array> {
  const info = gguf.tensors.get(name);
  if (info?.type.name !== "F32")
    throw fail(quote(name), "an F32 tensor", info?.type.name ?? "none");
  const bytes = await readTensor(gguf, info),
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: info.nWeights }, (_, i) => view.getFloat32(i * 4, true));
}

function littleEndian(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4),
    view = new DataView(bytes.buffer);
  values.forEach((x, i) => view.setFloat32(i * 4, x, true));
  return bytes;
}
