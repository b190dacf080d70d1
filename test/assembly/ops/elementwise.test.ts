import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  BinaryKind,
  BinaryWord,
  GatedWord,
  SoftmaxWord,
  UnaryKind,
  UnaryWord,
  Word,
} from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms, worstError } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

// Widths below a vector, at its border, beyond a piece of 4096.
const widths = [1, 2, 3, 4, 5, 7, 64, 127, 4096, 4099, 9001];

describe("binary", () => {
  const kinds: [string, number, (a: number, b: number) => number][] = [
    ["add", BinaryKind.add, (a, b) => a + b],
    ["mul", BinaryKind.mul, (a, b) => a * b],
    ["sub", BinaryKind.sub, (a, b) => a - b],
  ];
  for (const [name, kind, f] of kinds) {
    it(`${name}: every width, views, a broadcast row`, () => {
      for (const width of widths) {
        machine.reset();
        const rows = width > 4096 ? 3 : 9;
        const a = randoms(rows * width, width),
          b = randoms(rows * width, width + 1);
        const ta = machine.tensor(rows, width, a, 8),
          tb = machine.tensor(rows, width, b);
        const words = {
          [Word.a]: ta.address,
          [Word.aStride]: ta.stride,
          [BinaryWord.kind]: kind,
          [BinaryWord.b]: tb.address,
        };
        const dst = machine.tensor(rows, width, undefined, 4);
        const each = machine.result("binary", dst, { ...words, [BinaryWord.bStride]: tb.stride });
        expectSameBits(
          each,
          Float32Array.from(a, (x, i) => f(x, b[i]!)),
        );
        const one = machine.result("binary", dst, { ...words, [BinaryWord.bStride]: 0 });
        expectSameBits(
          one,
          Float32Array.from(a, (x, i) => f(x, b[i % width]!)),
        );
      }
    });
  }

  it("writes no lane beyond the width: the neighbour of a view stays", () => {
    const parent = machine.tensor(5, 12, new Float32Array(60).fill(7));
    const a = machine.tensor(5, 6, randoms(30, 1));
    const view = { ...parent, address: parent.address + 16, width: 6 };
    machine.run("binary", {
      [Word.rows]: 5,
      [Word.dst]: view.address,
      [Word.dstStride]: view.stride,
      [Word.width]: 6,
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [BinaryWord.b]: a.address,
      [BinaryWord.bStride]: a.stride,
    });
    const found = machine.read(parent);
    for (let r = 0; r < 5; r++) {
      for (const c of [0, 1, 2, 3, 10, 11]) expect(found[r * 12 + c]).toBe(7);
    }
    expectSameBits(
      machine.read(view),
      Float32Array.from(randoms(30, 1), (x) => x + x),
    );
  });
});

const erf = (x: number): number => {
  // Abramowitz 7.1.5, a series that converges well for |x| < 4
  let term = x,
    sum = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return Math.abs(x) > 4 ? Math.sign(x) : (2 / Math.sqrt(Math.PI)) * sum;
};
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const activations: [string, number, (x: number, param: number) => number][] = [
  ["copy", UnaryKind.copy, (x) => x],
  ["scale", UnaryKind.scale, (x, p) => x * p],
  ["softcap", UnaryKind.softcap, (x, p) => p * Math.tanh(x / p)],
  ["silu", UnaryKind.silu, (x) => x * sigmoid(x)],
  [
    "gelu",
    UnaryKind.gelu,
    (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ],
  ["geluErf", UnaryKind.geluErf, (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))],
  ["geluQuick", UnaryKind.geluQuick, (x) => x * sigmoid(1.702 * x)],
  ["relu", UnaryKind.relu, (x) => Math.max(x, 0)],
  ["relu2", UnaryKind.relu2, (x) => Math.max(x, 0) ** 2],
  ["sigmoid", UnaryKind.sigmoid, sigmoid],
  ["tanh", UnaryKind.tanh, Math.tanh],
  ["softplus", UnaryKind.softplus, (x) => Math.log1p(Math.exp(x))],
  ["exp", UnaryKind.exp, Math.exp],
];

describe("unary and gated", () => {
  for (const [name, kind, f] of activations) {
    it(`${name}: against f64, the same element in any width`, () => {
      const param = 3.5;
      const all = randoms(3 * 9001, kind + 1, 2);
      const reference = new Map<number, number>();
      for (const width of [1, 2, 3, 5, 64, 4099]) {
        machine.reset();
        const a = all.slice(0, 3 * width);
        const ta = machine.tensor(3, width, a, 4),
          dst = machine.tensor(3, width, undefined, 8);
        const words = { [Word.a]: ta.address, [Word.aStride]: ta.stride, [UnaryWord.kind]: kind };
        const found = machine.result("unary", dst, words, { [UnaryWord.param]: param });
        // exp reaches e^7: worstError is relative there
        expect(
          worstError(
            found,
            Array.from(a, (x) => f(x, param)),
          ),
        ).toBeLessThan(1e-6);
        found.forEach((y, i) => {
          if (reference.has(a[i]!)) expect(y).toBe(reference.get(a[i]!));
          else reference.set(a[i]!, y);
        });
        const place = machine.tensor(3, width, a);
        const placeWords = {
          [Word.a]: place.address,
          [Word.aStride]: place.stride,
          [UnaryWord.kind]: kind,
        };
        expectSameBits(
          machine.result("unary", place, placeWords, { [UnaryWord.param]: param }, true),
          found,
        );
      }
    });

    if (kind <= UnaryKind.softcap) continue;
    it(`gated ${name}: f(a) * b, dst may be b`, () => {
      for (const width of [3, 64, 4099]) {
        machine.reset();
        const a = randoms(2 * width, width),
          b = randoms(2 * width, width + 3);
        const ta = machine.tensor(2, width, a),
          tb = machine.tensor(2, width, b, 4),
          gate = machine.tensor(2, width);
        const input = { [Word.a]: ta.address, [Word.aStride]: ta.stride };
        const activated = machine.result("unary", gate, { ...input, [UnaryWord.kind]: kind });
        const expected = Float32Array.from(activated, (x, i) => x * b[i]!);
        const words = {
          ...input,
          [GatedWord.kind]: kind,
          [GatedWord.b]: tb.address,
          [GatedWord.bStride]: tb.stride,
        };
        expectSameBits(machine.result("gated", machine.tensor(2, width), words), expected);
        expectSameBits(machine.result("gated", tb, words, {}, true), expected);
      }
    });
  }

  it("relu keeps a NaN visible", () => {
    const a = machine.tensor(1, 5, [Number.NaN, -1, 1, 0, Number.NaN]),
      dst = machine.tensor(1, 5);
    const words = {
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [UnaryWord.kind]: UnaryKind.relu,
    };
    expect([...machine.result("unary", dst, words)]).toEqual([Number.NaN, 0, 1, 0, Number.NaN]);
  });
});

describe("softmax", () => {
  const exact = (x: Float32Array): Float32Array => {
    const exp = machine.functions["expf"]!,
      f = Math.fround;
    const top = x.reduce((m, v) => (v > m ? v : m), -Infinity);
    const e = x.map((v) => exp(f(v - top)));
    const lanes = [0, 0, 0, 0];
    e.forEach((v, i) => (lanes[i & 3] = f(lanes[i & 3]! + v)));
    const sum = f(f(lanes[0]! + lanes[1]!) + f(lanes[2]! + lanes[3]!));
    return e.map((v) => f(v / sum));
  };

  it("whole rows and groups, in the order of NUMERICS.md", () => {
    for (const [width, group] of [
      [1, 1],
      [7, 7],
      [9, 3],
      [64, 64],
      [130, 13],
      [5000, 5000],
      [9000, 100],
    ] as const) {
      machine.reset();
      const a = randoms(4 * width, width, 3);
      const ta = machine.tensor(4, width, a, 4),
        dst = machine.tensor(4, width);
      const words = { [Word.a]: ta.address, [Word.aStride]: ta.stride, [SoftmaxWord.group]: group };
      const found = machine.result("softmax", dst, words);
      for (let i = 0; i < found.length; i += group) {
        expectSameBits(found.slice(i, i + group), exact(a.slice(i, i + group)));
        expect(Math.abs(found.slice(i, i + group).reduce((s, v) => s + v, 0) - 1)).toBeLessThan(
          1e-5,
        );
      }
    }
  });

  it("a NaN anywhere makes its whole run NaN", () => {
    for (const at of [0, 3, 5, 8]) {
      const a = randoms(9, 1);
      a[at] = Number.NaN;
      const ta = machine.tensor(1, 9, a),
        dst = machine.tensor(1, 9);
      machine.run("softmax", {
        [Word.rows]: 1,
        [Word.dst]: dst.address,
        [Word.dstStride]: dst.stride,
        [Word.width]: 9,
        [Word.a]: ta.address,
        [Word.aStride]: ta.stride,
        [SoftmaxWord.group]: 9,
      });
      expect(machine.read(dst).every(Number.isNaN)).toBe(true);
    }
  });
});
