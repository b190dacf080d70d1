// For tests of the engine: variants of small models (one weight made NaN, other metadata), a way into the engine's private
// parts, and a watchdog that turns a hang into a failure.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  bytesSource,
  contentsOf,
  type MetadataValue,
  readGguf,
  readTensor,
  type Sink,
  typeByName,
  writeGguf,
} from "../../formats/index.ts";
import type * as Samebit from "../../src/index.ts";
import type { Bank } from "../../src/memory/bank.ts";
import type { ThreadPool } from "../../src/threads/pool.ts";
import type { EncodedPlan } from "../../src/plan/encode.ts";
import { EMBEDDED } from "../built.ts";
import { dequantize, f32ToF16 } from "../reference/dequantize.ts";

/** A llama with Q4_0 weights: 2 layers, 64 wide, 320 tokens, 512 positions. */
export const LLAMA = new URL("../fixtures/zoo/llama-q4_0.gguf", import.meta.url).pathname;
export const FIXTURES = ["llama-q4_0", "phi3-plain", "starcoder2"].map(
  (name) => new URL(`../fixtures/zoo/${name}.gguf`, import.meta.url).pathname,
);
export { EMBEDDED };

export interface Variant {
  /** Store every matrix as this type. */
  readonly type?: "F32" | "F16";
  /** Changes a tensor's bytes in place. */
  readonly tensor?: (name: string, bytes: Uint8Array) => void;
  readonly metadata?: (entries: [string, MetadataValue][]) => [string, MetadataValue][];
}

/** The bytes of a variant of the model file at `path`. */
export async function variant(
  path: string,
  { type, tensor, metadata = (entries) => entries }: Variant,
): Promise<Uint8Array> {
  const gguf = await readGguf(bytesSource(path, readFileSync(path)));
  const contents = contentsOf(gguf);
  const tensors = [];
  for (const info of gguf.tensors.values()) {
    const bytes = await readTensor(gguf, info),
      to = typeByName(type && info.shape.length > 1 ? type : info.type.name);
    const data =
      to === info.type
        ? Uint8Array.from(bytes)
        : converted(info.type.name, bytes, info.nWeights, type!);
    tensor?.(info.name, data);
    tensors.push({ name: info.name, shape: info.shape, type: to, data });
  }
  const parts: Uint8Array[] = [];
  const sink: Sink = { write: (bytes) => void parts.push(Uint8Array.from(bytes)) };
  await writeGguf(sink, {
    metadata: metadata([...contents.metadata] as [string, MetadataValue][]),
    tensors,
  });
  return Buffer.concat(parts);
}

function converted(
  from: string,
  bytes: Uint8Array,
  nWeights: number,
  to: "F32" | "F16",
): Uint8Array {
  const floats = dequantize(from, bytes, nWeights);
  return new Uint8Array(to === "F32" ? floats.buffer : Uint16Array.from(floats, f32ToF16).buffer);
}

/** A variant whose tensor `name` begins with a NaN. type: of all matrices; without it they stay as they are. */
export function withNan(path: string, name: string, type?: "F32" | "F16"): Promise<Uint8Array> {
  return variant(path, {
    type,
    tensor(found, bytes) {
      if (found === name)
        bytes.set(type === "F32" || name.includes("norm") ? [0, 0, 0xc0, 0x7f] : [0, 0x7e]);
    },
  });
}

/** The engine inside a model, as far as the tests reach into it. */
export interface EngineInside {
  readonly banks: readonly Bank[];
  readonly pool: ThreadPool;
  readonly plan: EncodedPlan;
  readonly cache: {
    /** The pages of layers that keep every position come first. */
    readonly stocks: readonly { readonly free: readonly number[] }[];
    readonly freeSlots: readonly number[];
  };
}

export function inside(model: Samebit.Model): EngineInside {
  return (model as unknown as { engine: EngineInside }).engine;
}

/** Fails when `promise` is not settled after 60 seconds: far longer than any of these runs takes on a busy machine. */
export async function settled<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error("hang: expected an answer within 60 s, found none")),
      60_000,
    );
  });
  try {
    return await Promise.race([promise, hang]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a promise is rejected with; undefined when it is fulfilled. Fails on a hang. */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return settled(
    promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

/** n token ids below nVocab that differ from call to call only by `seed`. */
export function someTokens(n: number, nVocab = 320, seed = 1): number[] {
  let state = seed;
  return Array.from(
    { length: n },
    () => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) % (nVocab - 3)) + 3,
  );
}

/** A short hash of the bits of each row: equal bits, equal text. */
export function bitsOf(rows: readonly Float32Array[]): string[] {
  return rows.map((row) =>
    createHash("sha256")
      .update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength))
      .digest("hex")
      .slice(0, 16),
  );
}
