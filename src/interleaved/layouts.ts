// Where every bit of ik_llama.cpp's interleaved types belongs in the plain type of the same values. Offsets `from` are
// those of a bundle's block, drawn above each list as [field bytes] in order; those of the plain block are in the drawings
// of assembly/quants. Source: LAYOUTS.md, sections 3 (I2_S) and 3.2.

import type { TypeName } from "../../formats/types.ts";
import { MoveKind } from "../memory/abi.generated.ts";
import {
  bit241,
  bit402,
  bit421,
  bitAt,
  bitOf256,
  bits4,
  byte,
  each,
  field,
  float,
  half,
  halfSplit,
  type Move,
  nibbleAt,
  nibbles4,
  nibbles8,
  pairs4,
  pairsOf128,
  quad,
  quads,
  sixBits,
  wideSplit,
} from "./moves.ts";

export interface Layout {
  /** The type whose rows follow each other and whose kernels multiply these weights. */
  readonly plain: TypeName;
  /** Weights of a row that one round of `moves` covers. Default: a block of the plain type. */
  readonly weights?: number;
  /** Moves of the row scales: from the scales of a bundle (I2_S: of the tensor) to the start of a row. */
  readonly scales?: readonly Move[];
  /** Moves of one block of all rows of a bundle. */
  readonly moves: readonly Move[];
}

/** [grid bytes or quads at `from`, stride between rows 4: octet l of sub-block ib at 16 ib + 4 k + l]. */
const octets = (from: number, to: number): Move[] =>
  each(8, (ib) => [quad(8, [from + 16 * ib, 0], [to + 4 * ib, 0])]);

/** One u32 a sub-block: bit 0 of byte j is bit j of the scale, above it the signs of octet j; to ggml's u32 at to + step * ib. */
const scalesAndSigns = (from: number, to: number, step: number): Move[] =>
  each(8, (ib) =>
    each(4, (j): Move[] => [
      {
        kind: MoveKind.signs,
        from: from + 16 * ib,
        step: 4,
        right: 8 * j + 1,
        mask: 127,
        to: to + step * ib,
        left: 7 * j,
      },
      {
        kind: MoveKind.u32,
        from: from + 16 * ib,
        step: 4,
        right: 8 * j,
        mask: 1,
        to: to + step * ib,
        left: 28 + j,
      },
    ]),
  );

/** Bit ib of extra[k + 4h]: the value set of sub-block g = 2 ib + h of 16. */
const extra = (from: number, to: number): Move[] =>
  each(16, (g) => [field(1, [from + 4 * (g & 1), g >> 1], bitAt(to, g))]);

/** Scale t = 8 ib + 4 h + k of IQ4_K_R4 and IQ5_K_R4. */
const scalesOfIQ4_K = each(16, (g) => {
  const { low, high } = sixBits(32, 16, 4 * g);
  return [field(4, low, nibbleAt(8, g)), field(2, high, [4 + (g >> 2), 2 * (g & 3)])];
});

/** Scales and minimums of Q4_K_R4 and Q5_K_R4, t = 4 ib + k: to the 12 bytes at 4. */
const scalesOfQ4_K = each(8, (ib) => {
  const t = 4 * ib,
    high = 16 + (t % 16),
    bit = 4 * (t >> 4);
  const low = 32 + t;
  return ib < 4
    ? [
        field(4, [low, 0], [4 + ib, 0]),
        field(2, [high, bit], [4 + ib, 4]),
        field(4, [low, 4], [8 + ib, 0]),
        field(2, [high, bit + 2], [8 + ib, 4]),
      ]
    : [
        field(8, [low, 0], [8 + ib, 0]),
        field(2, [high, bit], [ib, 6]),
        field(2, [high, bit + 2], [4 + ib, 6]),
      ];
});

/** i8 of eight rows: 32 bytes a quad. */
const bytes8 = (nQuads: number, to: (a: number) => number): Move[] =>
  each(nQuads, (a) => [quad(8, [32 * a, 0], [to(a), 0])]);

/** Weight e of 256 in the Q8_0 blocks that stand for one of Q8_K. */
const inQ8_0 = (e: number): number => 34 * (e >> 5) + 2 + (e & 31);

const shifted = (moves: readonly Move[], by: number): Move[] =>
  moves.map((move) => ({ ...move, from: move.from + by }));

/** By type; the others are plain. */
export const LAYOUTS: Partial<Record<TypeName, Layout>> = {
  // [d 16][qs 128]
  Q4_0_R8: { plain: "Q4_0", moves: [half(0, 0), ...quads(4, 1, nibbles8(16), halfSplit(2))] },
  // [d 8][qh 16][qs 64]
  Q5_0_R4: {
    plain: "Q5_0",
    moves: [
      half(0, 0),
      ...each(8, (a): Move[] => [
        {
          kind: MoveKind.gather,
          from: 8,
          step: 4,
          right: bit241(a),
          mask: 15,
          to: 2,
          left: 4 * a,
        },
      ]),
      ...quads(4, 1, nibbles4(24), halfSplit(6)),
    ],
  },
  // [d 8][qh 32][qs 64]
  Q6_0_R4: {
    plain: "Q6_0",
    moves: [
      half(0, 0),
      ...quads(
        2,
        1,
        (_, a) => [8 + 16 * (a >> 2), 2 * (a & 1) + 4 * ((a >> 1) & 1)],
        (_, a) => [2 + 4 * (a & 1), 4 * ((a >> 1) & 1) + (a < 4 ? 0 : 2)],
      ),
      ...quads(4, 1, nibbles4(40), halfSplit(10)),
    ],
  },
  // [d 16][qs 256]
  Q8_0_R8: {
    plain: "Q8_0",
    moves: [
      half(0, 0),
      ...each(8, (a) => [quad(8, [16 + 128 * (a >> 2) + 32 * (a & 3), 0], [2 + 4 * a, 0])]),
    ],
  },
  // [d 8][qs 64]
  IQ4_NL_R4: { plain: "IQ4_NL", moves: [half(0, 0), ...quads(4, 1, nibbles4(8), halfSplit(2))] },
  // [e 8][qs 128]
  MXFP4_R8: { plain: "MXFP4", moves: [byte(0, 0), ...quads(4, 1, nibbles8(8), halfSplit(1))] },

  // [d 8][dmin 8][scales 64][qs 256]
  Q2_K_R4: {
    plain: "Q2_K",
    moves: [
      half(0, 80),
      half(8, 82),
      ...each(16, (g) => [byte(16 + 4 * g, g)]),
      ...quads(2, 8, pairs4(80), pairsOf128(16)),
    ],
  },
  // [d 8][scales_h 16][scales_l 32][qh 128][qs 256]
  Q3_K_R4: {
    plain: "Q3_K",
    moves: [
      half(0, 108),
      ...each(16, (g) => {
        const { low, high } = sixBits(24, 8, 4 * g);
        return [
          field(4, low, [96 + (g & 7), g < 8 ? 0 : 4]),
          field(2, high, [104 + (g & 3), 2 * (g >> 2)]),
        ];
      }),
      ...quads(1, 8, bits4(56), bitOf256(0)),
      ...quads(2, 8, pairs4(184), pairsOf128(32)),
    ],
  },
  // [d 8][dmin 8][scales_h 16][scales_l 32][qs 512]
  Q4_K_R4: {
    plain: "Q4_K",
    moves: [half(0, 0), half(8, 2), ...scalesOfQ4_K, ...quads(4, 8, nibbles4(64), wideSplit(16))],
  },
  // [d 8][dmin 8][scales_h 16][scales_l 32][qh 128][qs 512]
  Q5_K_R4: {
    plain: "Q5_K",
    moves: [
      half(0, 0),
      half(8, 2),
      ...scalesOfQ4_K,
      ...quads(1, 8, bits4(64, bit421), bitOf256(16)),
      ...quads(4, 8, nibbles4(192), wideSplit(48)),
    ],
  },
  // [d 8][scales 64][qh 256][ql 512]
  Q6_K_R4: {
    plain: "Q6_K",
    moves: [
      half(0, 208),
      ...each(16, (g) => [byte(8 + 4 * g, 192 + g)]),
      ...quads(
        2,
        8,
        (ib, a) => [72 + 32 * ib + 16 * (a >> 2), 4 * (a & 1) + 2 * ((a >> 1) & 1)],
        pairsOf128(128),
      ),
      ...quads(4, 8, nibbles4(328), (ib, a) => [
        64 * (ib >> 2) + 32 * (ib & 1) + 4 * a,
        (ib & 3) < 2 ? 0 : 4,
      ]),
    ],
  },
  // [d 16][scales_h 16][scales_l 32][qs 1024]
  IQ4_XS_R8: {
    plain: "IQ4_XS",
    moves: [
      half(0, 0),
      ...each(8, (ib) => {
        const { low, high } = sixBits(32, 16, 8 * ib);
        return [field(4, low, nibbleAt(4, ib)), field(2, high, [2 + (ib >> 2), 2 * (ib & 3)])];
      }),
      ...quads(4, 8, (ib, a) => [64 + 128 * ib + 32 * (a >> 1), 4 * (a & 1)], halfSplit(8)),
    ],
  },

  // [d 8][sas 128][qs 128]
  IQ2_XXS_R4: {
    plain: "IQ2_XXS",
    moves: [
      half(0, 0),
      ...scalesAndSigns(8, 6, 8),
      ...each(8, (ib) => [quad(8, [136 + 16 * ib, 0], [2 + 8 * ib, 0])]),
    ],
  },
  // [d 8][qs 256: u16][scales 32]
  IQ2_XS_R4: {
    plain: "IQ2_XS",
    moves: [
      half(0, 0),
      ...each(32, (l): Move[] => {
        const from = 8 + 32 * (l >> 2) + 2 * (l & 3),
          to = 2 + 2 * l;
        return [
          { kind: MoveKind.u16, from, step: 8, mask: 511, to },
          { kind: MoveKind.signs, from, step: 8, right: 9, mask: 127, to, left: 9 },
        ];
      }),
      ...each(8, (ib) => [byte(264 + 4 * ib, 66 + ib)]),
    ],
  },
  // [d 8][qs 128][qh 32][signs 128][scales 32]
  IQ2_S_R4: {
    plain: "IQ2_S",
    moves: [
      half(0, 0),
      ...octets(8, 2),
      ...each(8, (ib) => [byte(136 + 4 * ib, 66 + ib)]),
      ...octets(168, 34),
      ...each(8, (ib) => [byte(296 + 4 * ib, 74 + ib)]),
    ],
  },
  // [d 8][sas 128][qs 256]
  IQ3_XXS_R4: {
    plain: "IQ3_XXS",
    moves: [
      half(0, 0),
      ...scalesAndSigns(8, 66, 4),
      ...each(16, (i): Move[] => {
        const from = 136 + 32 * (i >> 1) + 4 * (i & 1);
        return [{ kind: MoveKind.u32, from, step: 8, mask: 0xffffffff, to: 2 + 4 * i }];
      }),
    ],
  },
  // [d 8][qs 256][qh 32][signs 128][scales 16]
  IQ3_S_R4: {
    plain: "IQ3_S",
    moves: [
      half(0, 0),
      ...each(8, (ib) =>
        each(8, (t) => [byte(8 + 32 * ib + 8 * (t & 3) + 4 * (t >> 2), 2 + 8 * ib + t)]),
      ),
      ...each(8, (ib) => [byte(264 + 4 * ib, 66 + ib)]),
      ...each(8, (ib) =>
        each(8, (a): Move[] => {
          const from = 296 + 16 * ib;
          return [
            {
              kind: MoveKind.gather,
              from,
              step: 4,
              right: a,
              mask: 15,
              to: 74 + 4 * ib,
              left: 4 * a,
            },
          ];
        }),
      ),
      ...each(8, (ib) => [field(4, [424 + 4 * (ib & 3), 4 * (ib >> 2)], nibbleAt(106, ib))]),
    ],
  },

  // bundle: [d 16: f32]; per block of 64 weights [qs 64]
  IQ2_BN_R4: {
    plain: "IQ2_BN",
    scales: [float(0, 0)],
    moves: each(16, (a) => [quad(2, [16 * (a >> 2), 2 * (a & 3)], [4 * (a & 3), 2 * (a >> 2)])]),
  },
  // [d 8][extra 8][scales 32][qs 256]
  IQ2_K_R4: {
    plain: "IQ2_K",
    moves: [
      half(0, 0),
      ...extra(8, 2),
      ...each(16, (g) => [field(4, [16 + ((4 * g) % 32), 4 * (g >> 3)], nibbleAt(4, g))]),
      ...quads(2, 8, pairs4(48), pairsOf128(12)),
    ],
  },
  // [d 8][extra 8][scales_h 8][scales_l 32][qs 256][qh 128]
  IQ3_K_R4: {
    plain: "IQ3_K",
    moves: [
      half(0, 0),
      ...extra(8, 2),
      ...extra(16, 4),
      ...each(16, (g) => [field(4, [24 + ((4 * g) % 32), 4 * (g >> 3)], nibbleAt(6, g))]),
      ...quads(2, 8, pairs4(56), pairsOf128(14)),
      ...quads(1, 8, bits4(312), bitOf256(78)),
    ],
  },
  // [d 8][extra 8][scales_h 16][scales_l 32][qs 512]
  IQ4_K_R4: {
    plain: "IQ4_K",
    moves: [
      half(0, 0),
      ...extra(8, 2),
      ...scalesOfIQ4_K,
      ...quads(4, 8, nibbles4(64), halfSplit(16)),
    ],
  },
  // as IQ4_K_R4, then [qh 128]
  IQ5_K_R4: {
    plain: "IQ5_K",
    moves: [
      half(0, 0),
      ...extra(8, 2),
      ...scalesOfIQ4_K,
      ...quads(4, 8, nibbles4(64), wideSplit(16)),
      ...quads(1, 8, bits4(576, bit402), bitOf256(144)),
    ],
  },
  // bundle: [d 16: f32]; per block [scales 32][qs 512]
  IQ4_KS_R4: {
    plain: "IQ4_KS",
    scales: [float(0, 0)],
    moves: [...each(8, (ib) => [byte(4 * ib, ib)]), ...quads(4, 8, nibbles4(32), halfSplit(8))],
  },
  // bundle: [d 16: f32]; per block [scales 32][qs 512][qh 128]
  IQ5_KS_R4: {
    plain: "IQ5_KS",
    scales: [float(0, 0)],
    moves: [
      ...each(8, (ib) => [byte(4 * ib, ib)]),
      ...quads(4, 8, nibbles4(32), wideSplit(8)),
      ...quads(1, 8, bits4(544, bit402), bitOf256(136)),
    ],
  },

  // bundle: [d 32: f32]; per 32 weights [qs 256]. A plain row holds the sum of its weights, too.
  Q8_KV_R8: {
    plain: "Q8_KV",
    scales: [float(0, 0)],
    moves: [
      ...bytes8(8, (a) => 4 * a),
      ...each(8, (a): Move[] => [{ kind: MoveKind.sum, from: 32 * a, step: 4, mask: 0, to: 4 }]),
    ],
  },
  // [d 16][qs 2048]: a block of Q8_K with an f16 scale is eight of Q8_0 with the same one
  Q8_K_R8: {
    plain: "Q8_0",
    weights: 256,
    moves: [
      ...each(8, (b) => [half(0, 34 * b)]),
      ...shifted(
        bytes8(64, (a) => inQ8_0(4 * a)),
        16,
      ),
    ],
  },
  // [d 32][qs 4096: q + 128]
  Q8_K_R16: {
    plain: "Q8_0",
    weights: 256,
    moves: [
      ...each(8, (b) => [half(0, 34 * b)]),
      ...each(64, (a) => [quad(8, [32 + 64 * a, 0], [inQ8_0(4 * a), 0], 0x80808080)]),
    ],
  },
  // pairs of weights of 16 rows
  BF16_R16: { plain: "BF16", weights: 2, moves: [quad(8, [0, 0], [0, 0])] },

  // bundle: [d 8: f16]; per 32 weights [qs 16][qh 8: u16]. With the row's scale in every block it is IQ1_S.
  IQ1_S_R4: {
    plain: "IQ1_S",
    moves: [
      { kind: MoveKind.rowScale, from: 0, step: 2, mask: 0xffff, to: 0 },
      ...each(8, (b) => [
        ...each(4, (l) => [byte(24 * b + 4 * l, 2 + 4 * b + l)]),
        half(24 * b + 16, 34 + 2 * b),
      ]),
    ],
  },
  // bundle: [d 8: f16]; per 32 weights [qs 16][qh 8][scales 4]. No plain type has scales 0 .. 15 on this grid: kernels of its
  // own read rows [d f16], then per 256 weights [qs 32][qh 16][scales 8] (assembly/quants/iq1_m_r4.ts).
  IQ1_M_R4: {
    plain: "IQ1_M_R4",
    weights: 256,
    scales: [half(0, 0)],
    moves: each(8, (b) => [
      ...each(4, (l) => [byte(28 * b + 4 * l, 4 * b + l)]),
      ...each(2, (t) => [byte(28 * b + 16 + 4 * t, 32 + 2 * b + t)]),
      byte(28 * b + 24, 48 + b),
    ]),
  },

  // tensor: [codes], then [d f32] for all; per 128 weights [32 B: the first 32 weights in the highest two bits]
  I2_S: {
    plain: "IQ2_BN",
    weights: 128,
    scales: [float(0, 0)],
    moves: each(32, (a) => [
      quad(2, [4 * (a & 7), 6 - 2 * (a >> 3)], [16 * (a >> 4) + 4 * (a & 3), 2 * ((a >> 2) & 3)]),
    ]),
  },
};
