// From the file to staging memory: a chunk of a tensor's rows, checked; of interleaved types also the room for the plain
// rows that the threads make of them. weights.ts says which chunks, and what becomes of the rows.

import { DOWNLOAD_AGAIN, GgufError } from "../formats/errors.ts";
import type { Gguf, TensorInfo } from "../formats/gguf.ts";
import { rowBytes } from "../formats/types.ts";
import { SamebitError } from "./errors.ts";
import { plainRows, type PlainRows, plainType } from "./interleaved/index.ts";
import type { Bank } from "./memory/bank.ts";
import type { Bundles } from "./repack.ts";
import { rowsPerChunk } from "./row-chunks.ts";
import { findBadScale, isFiniteFloat } from "./scales.ts";

export const align = (n: number): number => (n + 63) & ~63;

/** Rows in staging memory: `src` is where they are, or where they will be once `bundles` are put apart. */
export interface StagedRows {
  readonly src: number;
  readonly bundles: Bundles | undefined;
}

/** Bytes of I2_S's scale, kept beside the layout. */
const SCALE_BYTES = 4;

/** How a tensor's rows pass through `room` bytes of staging memory. */
export class Stage {
  /** Bytes of a row in the file, and of one in plain form. */
  readonly fileRowBytes: number;
  readonly rowBytes: number;
  /** Most rows at once: whole groups of four, and whole bundles. */
  readonly chunkRows: number;
  private readonly interleave: PlainRows | undefined;

  /** Throws SamebitError where not even one group fits, GgufError where rows of k weights cannot be put apart. */
  constructor(
    private readonly gguf: Gguf,
    private readonly tensor: TensorInfo,
    private readonly k: number,
    room: number,
  ) {
    const { type, name } = tensor;
    this.interleave = plainRows(type, k, name);
    this.fileRowBytes = rowBytes(type, k);
    this.rowBytes = rowBytes(plainType(type), k);
    const { interleave } = this;
    const perRow = this.fileRowBytes + (interleave ? this.rowBytes : 0),
      left = room - (interleave ? headBytes(interleave) + 64 : 0);
    const step = Math.max(4, interleave?.rows ?? 1);
    this.chunkRows = rowsPerChunk(name, perRow, left, step);
  }

  /** Reads and checks rows [row, row + rows) to `address`, the start of the room. */
  async read(bank: Bank, address: number, row: number, rows: number): Promise<StagedRows> {
    const { gguf, tensor, interleave, fileRowBytes } = this,
      bytes = rows * fileRowBytes;
    const raw = interleave ? address + headBytes(interleave) : address;
    await read(gguf, tensor, row * fileRowBytes, bank.u8(raw, bytes), fileRowBytes);
    if (!interleave) return { src: address, bundles: undefined };
    bank.u32(address, interleave.words.length).set(interleave.words);
    let scale = 0;
    if (interleave.sharedScale) {
      scale = address + interleave.words.length * 4;
      const codes = (tensor.nWeights / this.k) * fileRowBytes;
      await readSharedScale(gguf, tensor, codes, bank.u8(scale, SCALE_BYTES));
    }
    const bundles = {
      layout: address,
      scale,
      src: raw,
      count: rows / interleave.rows,
      bundleBytes: interleave.bundleBytes,
      plainBytes: interleave.rows * interleave.rowBytes,
    };
    return { src: raw + align(bytes), bundles };
  }
}

/** Layout, scale. */
const headBytes = ({ words }: PlainRows): number => align(words.length * 4 + SCALE_BYTES);

/** Reads and checks `into.length` bytes of a tensor (whole blocks or rows), `offset` bytes from its start. */
export async function read(
  gguf: Gguf,
  tensor: TensorInfo,
  offset: number,
  into: Uint8Array,
  bytesOfRow: number,
): Promise<void> {
  await readBytes(gguf, tensor, offset, into);
  const bad = findBadScale(tensor.type, into, bytesOfRow);
  if (bad >= 0) throw badScale(gguf, tensor, offset + bad);
}

async function readSharedScale(
  gguf: Gguf,
  tensor: TensorInfo,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  await readBytes(gguf, tensor, offset, into);
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  if (!isFiniteFloat(view, 0)) throw badScale(gguf, tensor, offset);
}

async function readBytes(
  gguf: Gguf,
  tensor: TensorInfo,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  const source = gguf.sources[tensor.sourceIndex],
    at = tensor.offset + offset;
  if (source.readSync) {
    source.readSync(at, into);
    return;
  }
  const bytes = await source.read(at, into.length);
  if (bytes.length !== into.length) {
    throw new SamebitError(
      `${tensor.name}: expected ${into.length} bytes of ${source.name} at ${at}, found ${bytes.length}; ` +
        "its read must answer exactly what it is asked for",
    );
  }
  into.set(bytes);
}

/** The error for a scale at `offset` bytes of a tensor. */
export function badScale(gguf: Gguf, tensor: TensorInfo, offset: number): GgufError {
  const { tensorTailBytes, rowMetaBytes } = tensor.type,
    where = tensorTailBytes > 0 ? "tensor" : rowMetaBytes > 0 ? "rows" : "blocks";
  return new GgufError({
    subject: tensor.name,
    expected: `finite scales in its ${tensor.type.name} ${where}`,
    found: "NaN or an infinity",
    source: gguf.sources[tensor.sourceIndex].name,
    offset: tensor.offset + offset,
    remedy: DOWNLOAD_AGAIN,
  });
}
