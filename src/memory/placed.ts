// What stands in a bank from the first run to the last: weights, KV cache, state. The planner (src/plan) decides what
// and how large; the bank (bank.ts) decides where.

import { Kv } from "./abi.generated.ts";

/** A tensor of the file as the plan stores it. */
export interface PlacedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** matrix: R4 groups of `type`; vector: plain f32. */
  readonly layout: "matrix" | "vector";
  /** ggml type id of the stored form. */
  readonly type: number;
  readonly bytes: number;
  /** Bytes of one R4 group and of one expert's matrix (matrix layout). */
  readonly groupBytes: number;
  readonly expertBytes: number;
  /** Present: the plan's own numbers instead of a tensor of the file. */
  readonly constant?: Float32Array;
}

/** Whose pages: those of layers that keep every position, or of layers that forget what no window reaches any more. */
export type PagePool = "whole" | "window";

/** How many pages each pool has. */
export type PageCounts = Readonly<Record<PagePool, number>>;

/** Keys or values of one layer for all pages. */
export interface PlacedCache {
  readonly layer: number;
  readonly pool: PagePool;
  /** Pool `window`: a query sees no key so many positions behind it, or more. */
  readonly window?: number;
  readonly nHeadKv: number;
  readonly headDimK: number;
  readonly headDimV: number;
  /** The blocks of all kv heads in a page. */
  readonly kPageBytes: number;
  readonly vPageBytes: number;
}

/** At least nPages pages, in whole groups: what a cache must have (assembly/ops/kv-page.ts). */
export const wholeGroups = (nPages: number): number =>
  Math.ceil(nPages / Kv.groupPages) * Kv.groupPages;

/** Where page `page` has its kv heads, in bytes from the start of a cache's keys or values. */
export function blocksOf(
  { nHeadKv }: Pick<PlacedCache, "nHeadKv">,
  pageBytes: number,
  page: number,
): { at: number; length: number }[] {
  const length = pageBytes / nHeadKv,
    place = page % Kv.groupPages,
    group = (page - place) * pageBytes;
  return Array.from({ length: nHeadKv }, (_, head) => ({
    at: group + (head * Kv.groupPages + place) * length,
    length,
  }));
}

/** Memory that outlives a run: sequence state, calibration sums, index lists. */
export interface PlacedState {
  readonly name: string;
  readonly bytes: number;
  /** Bytes of one sequence's slot; 0 when it does not belong to sequences. */
  readonly slotBytes: number;
  /** Working memory that is zero between runs: every bank that uses it has its own. */
  readonly everywhere?: boolean;
}

/** What one bank holds. */
export interface BankContents {
  /** Matrices stand in one bank only; vectors stand wherever they are used. */
  readonly weights: Set<PlacedWeight>;
  readonly caches: Set<PlacedCache>;
  readonly states: Set<PlacedState>;
}
