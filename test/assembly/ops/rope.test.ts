import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RopeMode, RopeTableWord, RopeWord, RowsKind, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms, worstError } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const f = Math.fround;

interface Table {
  readonly nRot: number;
  readonly thetaScale: number;
  readonly freqScale?: number;
  readonly extFactor?: number;
  readonly mscale?: number;
  readonly corr?: readonly [number, number];
  readonly factors?: readonly number[];
  readonly axis?: number;
}

/** f32 steps of the angle, as ggml takes them; cos and sin in f64. */
function tableOf(t: Table, position: number): number[] {
  const { freqScale = 1, extFactor = 0, mscale = 1, corr = [0, 0] } = t;
  const cos: number[] = [],
    sin: number[] = [];
  let theta = f(position);
  for (let i = 0; i < t.nRot / 2; i++) {
    const angle = t.factors ? f(theta / f(t.factors[i]!)) : theta;
    let rotation = f(f(freqScale) * angle);
    if (extFactor !== 0) {
      const y = f(f(i - f(corr[0])) / Math.max(f(0.001), f(f(corr[1]) - f(corr[0]))));
      const mix = f(f(1 - Math.min(1, Math.max(0, y))) * f(extFactor));
      rotation = f(f(rotation * f(1 - mix)) + f(angle * mix));
    }
    cos.push(Math.cos(rotation) * mscale);
    sin.push(Math.sin(rotation) * mscale);
    theta = f(theta * f(t.thetaScale));
  }
  return [...cos, ...sin];
}

function run(t: Table, positions: readonly number[]): Float32Array {
  machine.batch(positions.map((position) => ({ position })));
  const dst = machine.tensor(positions.length, t.nRot, undefined, 4);
  return machine.result(
    "ropeTable",
    dst,
    {
      [Word.rowsKind]: RowsKind.tokens,
      [RopeTableWord.nRot]: t.nRot,
      [RopeTableWord.axis]: t.axis ?? 0,
      [RopeTableWord.factors]: t.factors ? machine.vector(t.factors) : 0,
    },
    {
      [RopeTableWord.thetaScale]: t.thetaScale,
      [RopeTableWord.freqScale]: t.freqScale ?? 1,
      [RopeTableWord.extFactor]: t.extFactor ?? 0,
      [RopeTableWord.mscale]: t.mscale ?? 1,
      [RopeTableWord.corrLow]: t.corr?.[0] ?? 0,
      [RopeTableWord.corrHigh]: t.corr?.[1] ?? 0,
    },
  );
}

describe("ropeTable", () => {
  const positions = [0, 1, 2, 17, 4095, 131071];
  const tables: [string, Table][] = [
    ["plain", { nRot: 128, thetaScale: 10000 ** (-2 / 128) }],
    ["two elements", { nRot: 2, thetaScale: 1 }],
    ["an odd number of pairs", { nRot: 10, thetaScale: 0.4 }],
    ["linear scaling", { nRot: 64, thetaScale: 0.75, freqScale: 0.25 }],
    ["factors", { nRot: 8, thetaScale: 0.1, factors: [1, 2, 8, 32] }],
    [
      "YaRN",
      { nRot: 64, thetaScale: 0.75, freqScale: 0.25, extFactor: 1, mscale: 1.1386, corr: [4, 19] },
    ],
    [
      "YaRN with an empty ramp",
      { nRot: 16, thetaScale: 0.5, freqScale: 0.5, extFactor: 0.7, corr: [3, 3] },
    ],
  ];
  for (const [name, t] of tables) {
    it(name, () => {
      // The last f32 bit of cos and sin, times mscale.
      expect(
        worstError(
          run(t, positions),
          positions.flatMap((p) => tableOf(t, p)),
        ),
      ).toBeLessThan(2.4e-7);
    });
  }

  it("iterates theta in f32: at position 131071 that is far from the direct angle", () => {
    const t = { nRot: 128, thetaScale: f(10000 ** (-2 / 128)) };
    const direct = Array.from({ length: 64 }, (_, i) =>
      Math.cos(131071 * 10000 ** ((-2 * i) / 128)),
    );
    expect(worstError(run(t, [131071]).slice(0, 64), direct)).toBeGreaterThan(1e-3);
  });

  it("takes the position of the axis", () => {
    expectSameBits(
      run({ nRot: 8, thetaScale: 0.5, axis: 2 }, [5, 9]),
      run({ nRot: 8, thetaScale: 0.5 }, [7, 11]),
    );
  });
});

describe("rope", () => {
  for (const [name, mode] of [
    ["norm", RopeMode.norm],
    ["neox", RopeMode.neox],
  ] as const) {
    it(`${name}: full and partial rotation, odd sizes, in place and not`, () => {
      for (const [headDim, nRot, nHead] of [
        [8, 8, 1],
        [16, 8, 3],
        [80, 20, 2],
        [6, 2, 2],
        [10, 6, 3],
        [128, 128, 40],
      ]) {
        machine.reset();
        const rows = 5,
          width = headDim! * nHead!,
          half = nRot! / 2;
        const x = randoms(rows * width, 3),
          angles = randoms(rows * nRot!, 4);
        const table = machine.tensor(rows, nRot!, angles, 4),
          a = machine.tensor(rows, width, x, 4);
        const dst = machine.tensor(rows, width);
        const words = {
          [Word.a]: a.address,
          [Word.aStride]: a.stride,
          [RopeWord.headDim]: headDim!,
          [RopeWord.nRot]: nRot!,
          [RopeWord.mode]: mode,
          [RopeWord.table]: table.address,
          [RopeWord.tableStride]: table.stride,
        };
        const expected = x.slice();
        for (let r = 0; r < rows; r++) {
          for (let h = 0; h < nHead!; h++) {
            for (let i = 0; i < half; i++) {
              const start = r * width + h * headDim!;
              const i0 = start + (mode === RopeMode.norm ? 2 * i : i),
                i1 = mode === RopeMode.norm ? i0 + 1 : i0 + half;
              const c = angles[r * nRot! + i]!,
                s = angles[r * nRot! + half + i]!;
              expected[i0] = f(f(x[i0]! * c) - f(x[i1]! * s));
              expected[i1] = f(f(x[i1]! * c) + f(x[i0]! * s));
            }
          }
        }
        expectSameBits(machine.result("rope", dst, words), expected);
        expectSameBits(machine.result("rope", a, words, {}, true), expected);
      }
    });
  }
});
