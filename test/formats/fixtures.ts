// The fixtures of test/fixtures/gguf: how they are read here, and what the ones of our own making contain.
// gguf-writer.test.ts holds the committed bytes to these definitions; UPDATE_FIXTURES=1 writes them anew.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { GgufContents, Sink } from "../../formats/gguf-writer.ts";
import type { MetadataValue } from "../../formats/metadata.ts";
import { bytesSource, type Source } from "../../formats/source.ts";
import { tensorBytes, typeByName } from "../../formats/types.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/gguf/", import.meta.url));

export const fixturePath = (name: string): string => FOLDER + name;
export const fixtureBytes = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(FOLDER + name));
export const fixture = (name: string): Source => bytesSource(name, fixtureBytes(name));

/** Every committed file, for tests over all of them. */
export const FIXTURES = [
  "every-type.gguf",
  "version-2.gguf",
  "projector.gguf",
  "split-00001-of-00003.gguf",
  "split-00002-of-00003.gguf",
  "split-00003-of-00003.gguf",
  "llama-q4_0.gguf",
] as const;

/** A tensor with bytes 1, 2, 3, ...: wrong bytes and wrong places show. */
const counted = (name: string, typeName: string, shape: number[], start = 1) => {
  const type = typeByName(typeName);
  const data = Uint8Array.from({ length: tensorBytes(type, shape) }, (_, i) => (start + i) & 255);
  return { name, type, shape, data };
};

const text = (value: string): MetadataValue => ({ type: "string", value });
const numbers = (
  elementType: "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64" | "u64" | "i64" | "bool",
  values: object,
): MetadataValue => ({ type: "array", value: { elementType, values } as never });

/** Every value type, odd strings, a nested array, alignment 64, tensors of 0 to 4 dimensions. */
export const EVERY_TYPE: GgufContents = {
  metadata: [
    ["general.architecture", text("none")],
    ["general.alignment", { type: "u32", value: 64 }],
    ["u8", { type: "u8", value: 255 }],
    ["i8", { type: "i8", value: -128 }],
    ["u16", { type: "u16", value: 65_535 }],
    ["i16", { type: "i16", value: -32_768 }],
    ["u32", { type: "u32", value: 4_294_967_295 }],
    ["i32", { type: "i32", value: -2_147_483_648 }],
    ["f32", { type: "f32", value: Math.fround(1e-5) }],
    ["f64", { type: "f64", value: 1e-300 }],
    ["u64", { type: "u64", value: 2n ** 64n - 1n }],
    ["i64", { type: "i64", value: -(2n ** 63n) }],
    ["true", { type: "bool", value: true }],
    ["false", { type: "bool", value: false }],
    ["string.empty", text("")],
    ["string.unicode", text("\ufeffGrüße, 世界 \u{1f600}\0")],
    ["string.not utf-8", text("a\udcff\udc80z")],
    ["array.u8", numbers("u8", Uint8Array.of(0, 255))],
    ["array.i8", numbers("i8", Int8Array.of(-1, 1))],
    ["array.u16", numbers("u16", Uint16Array.of(1, 65_535))],
    ["array.i16", numbers("i16", Int16Array.of(-2, 2))],
    ["array.u32", numbers("u32", Uint32Array.of(3, 4_294_967_295))],
    ["array.i32", numbers("i32", Int32Array.of(-3, 3))],
    ["array.f32", numbers("f32", Float32Array.of(0.1, -0, Infinity, NaN))],
    ["array.f64", numbers("f64", Float64Array.of(0.1))],
    ["array.u64", numbers("u64", BigUint64Array.of(5n, 2n ** 64n - 1n))],
    ["array.i64", numbers("i64", BigInt64Array.of(-5n))],
    ["array.bool", numbers("bool", Uint8Array.of(1, 0, 1))],
    ["array.empty", numbers("f32", new Float32Array(0))],
    [
      "array.string",
      {
        type: "array",
        value: {
          elementType: "string",
          values: ["", "the", "\u0120token", "\udce4", "日本語の文字列"],
        },
      },
    ],
    [
      "array.nested",
      {
        type: "array",
        value: {
          elementType: "array",
          values: [
            { elementType: "i32", values: Int32Array.of(1, 2) },
            { elementType: "string", values: ["x"] },
            { elementType: "array", values: [] },
          ],
        },
      },
    ],
  ],
  tensors: [
    counted("scalar", "F32", []),
    counted("vector", "F16", [3], 11),
    counted("matrix.weight", "Q4_0", [64, 3], 21),
    counted("cube", "IQ2_KS", [256, 2, 2], 31),
    counted("four", "I8", [2, 3, 2, 1], 41),
    counted("ternary", "I2_S", [128, 2], 51),
    counted("interleaved", "IQ1_S_R4", [32, 8], 61),
  ],
};

/** The smallest file that looks like a multimodal projector. */
export const PROJECTOR: GgufContents = {
  metadata: [
    ["general.architecture", text("clip")],
    ["general.type", text("mmproj")],
    ["clip.has_vision_encoder", { type: "bool", value: true }],
    ["clip.vision.image_mean", numbers("f32", Float32Array.of(0.5, 0.5, 0.5))],
  ],
  tensors: [counted("v.patch_embd.weight", "F16", [2, 2, 3, 4])],
};

const splitKeys = (index: number): [string, MetadataValue][] => [
  ["split.no", { type: "u16", value: index }],
  ["split.count", { type: "u16", value: 3 }],
  ["split.tensors.count", { type: "i32", value: 3 }],
];

/** Three files as gguf-split --no-tensor-first-split writes them: the first has the metadata alone. */
export const SPLIT: GgufContents[] = [
  {
    metadata: [["general.architecture", text("none")], ...splitKeys(0)],
    tensors: [],
  },
  {
    metadata: splitKeys(1),
    tensors: [counted("a", "F32", [5]), counted("b", "Q8_0", [32], 7)],
  },
  { metadata: splitKeys(2), tensors: [counted("c", "F32", [2, 2], 9)] },
];

/** A sink that keeps everything, and the file it got. */
export function memorySink(): Sink & { file(): Uint8Array } {
  const pieces: Uint8Array[] = [];
  return {
    write: (bytes) => void pieces.push(bytes),
    file: () => new Uint8Array(Buffer.concat(pieces)),
  };
}
