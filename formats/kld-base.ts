// llama.cpp's file of base log-probabilities (llama-perplexity --kl-divergence-base): the tokens of a text and, for every
// scored position, the log-probabilities of the whole vocabulary in 16 bits. Little-endian:
//
//   "_logits_"  i32 nCtx  i32 nVocab  i32 nChunks  i32 tokens[nChunks * nCtx]
//   per scored position: f32 scale, f32 minLogProb, u16 q[nVocab], and one u16 more where nVocab is odd
//
//   ln p of token i = scale * q[i] + minLogProb; what lies more than 16 below the best is cut off there.
import { DOWNLOAD_AGAIN, GgufError } from "./errors.ts";
import type { Source } from "./source.ts";

const MAGIC = "_logits_";
/** Natural logarithms below the best token's that are still told apart. */
const RANGE = 16;
const HEADER_BYTES = MAGIC.length + 3 * 4;

export interface KldBaseHeader {
  readonly nCtx: number;
  readonly nVocab: number;
  readonly nChunks: number;
  /** Text as tokenized, [nChunks * nCtx]; BOS is not put in. */
  readonly tokens: Int32Array;
}

/** Bytes of one position. */
export function kldRowBytes(nVocab: number): number {
  return (2 * Math.floor((nVocab + 1) / 2) + 4) * 2;
}

/** Bytes before the first position. */
export function kldHeaderBytes({ nCtx, nChunks }: KldBaseHeader): number {
  return HEADER_BYTES + nChunks * nCtx * 4;
}

export function encodeKldHeader({ nCtx, nVocab, nChunks, tokens }: KldBaseHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + tokens.length * 4),
    view = new DataView(bytes.buffer);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  [nCtx, nVocab, nChunks, ...tokens].forEach((n, i) =>
    view.setInt32(MAGIC.length + i * 4, n, true),
  );
  return bytes;
}

/** Throws GgufError for anything that is not a whole base file; `rowsPerChunk` positions are expected of each chunk. */
export async function readKldHeader(
  source: Source,
  rowsPerChunk: (nCtx: number) => number,
): Promise<KldBaseHeader> {
  const fail = (expected: string, found: string, remedy?: string) =>
    new GgufError({ subject: "KL divergence base", expected, found, source: source.name, remedy });
  if (source.size < HEADER_BYTES)
    throw fail(`at least ${HEADER_BYTES} bytes`, String(source.size), DOWNLOAD_AGAIN);
  const head = await source.read(0, HEADER_BYTES),
    view = viewOf(head);
  const magic = String.fromCharCode(...head.subarray(0, MAGIC.length));
  if (magic !== MAGIC) {
    throw fail(
      `a file that begins with ${MAGIC}`,
      JSON.stringify(magic),
      "write one with perplexity --kl-divergence-base",
    );
  }
  const [nCtx, nVocab, nChunks] = [8, 12, 16].map((at) => view.getInt32(at, true));
  if (nCtx < 2 || nVocab < 1 || nChunks < 1) {
    throw fail(
      "positive sizes",
      `context ${nCtx}, vocabulary ${nVocab}, chunks ${nChunks}`,
      DOWNLOAD_AGAIN,
    );
  }
  const bytes =
    HEADER_BYTES + nChunks * nCtx * 4 + nChunks * rowsPerChunk(nCtx) * kldRowBytes(nVocab);
  if (source.size !== bytes) throw fail(`${bytes} bytes`, String(source.size), DOWNLOAD_AGAIN);
  const list = viewOf(await source.read(HEADER_BYTES, nChunks * nCtx * 4));
  const tokens = Int32Array.from({ length: nChunks * nCtx }, (_, i) => list.getInt32(i * 4, true));
  const wrong = tokens.find((token) => token < 0 || token >= nVocab);
  if (wrong !== undefined) throw fail(`token ids below ${nVocab}`, String(wrong), DOWNLOAD_AGAIN);
  return { nCtx, nVocab, nChunks, tokens };
}

/**
 * One position, kldRowBytes(nVocab) bytes into `into`. `max` and `min` are those of the logits, `logSum` is ln of the sum of
 * e^(logit - max). All arithmetic is f32, as llama.cpp's.
 */
export function encodeKldRow(
  logits: Float32Array,
  { max, min, logSum }: { max: number; min: number; logSum: number },
  into: Uint8Array,
): void {
  const f = Math.fround,
    view = viewOf(into),
    low = Math.max(min, f(max - RANGE));
  const scale = f(f(max - low) / 65535),
    inverse = f(1 / scale);
  view.setFloat32(0, scale, true);
  view.setFloat32(4, f(f(low - max) - f(logSum)), true);
  into.fill(0, 8);
  if (scale === 0) return;
  // adding and taking 1.5 * 2^23 rounds an f32 to the nearest integer, ties to even
  const round = 12582912;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i] > low)
      view.setUint16(8 + i * 2, f(f(inverse * f(logits[i] - low)) + round) - round, true);
  }
}

/** ln p of every token, f32, from one position's bytes. */
export function decodeKldRow(bytes: Uint8Array, into: Float32Array): void {
  const f = Math.fround,
    view = viewOf(bytes),
    scale = view.getFloat32(0, true),
    least = view.getFloat32(4, true);
  for (let i = 0; i < into.length; i++)
    into[i] = f(f(scale * view.getUint16(8 + i * 2, true)) + least);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
