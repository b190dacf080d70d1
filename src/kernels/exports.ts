// What the WASM module offers to TypeScript (assembly/index.ts). Addresses are u32: read them with >>> 0.

/** The small module of assembly/matmul/dot-loop.ts. */
export interface DotLoopExports {
  heapBase(): number;
  dotLoop(w: number, y: number, rounds: number): number;
}

export interface KernelExports {
  heapBase(): number;
  // threads
  runPlan(
    control: number,
    batch: number,
    plan: number,
    count: number,
    counters: number,
    scratch: number,
    thread: number,
    nThreads: number,
    run: number,
    segment: number,
  ): number;
  raise(control: number, reason: number, thread: number): void;
  awaitEpoch(control: number, seen: number, milliseconds: number): number;
  openEpoch(control: number): number;
  abandon(control: number): void;
  close(control: number, run: number): boolean | number;
  flushesDenormals(): boolean | number;
  // weights
  isSupported(type: number): boolean | number;
  /** The type's number with `weights: "fast"`, for all that takes one; the type itself where there is no faster form. */
  fastType(type: number): number;
  groupBytes(type: number, k: number): number;
  /** Bytes of working memory for dequantizeRow and matmulTile, aligned to 16. */
  scratchBytes(): number;
  packFormat(type: number): number;
  tileColumns(format: number): number;
  packTileBytes(format: number, columns: number, k: number): number;
  repackGroup(
    type: number,
    src: number,
    rowBytes: number,
    nRows: number,
    k: number,
    dst: number,
  ): void;
  dequantizeRow(
    type: number,
    group: number,
    lane: number,
    k: number,
    out: number,
    scratch: number,
  ): void;
  /** See assembly/quants/plain-rows.ts. */
  bundleToRows(layout: number, src: number, scales: number, k: number, dst: number): void;
  packTile(
    format: number,
    columns: number,
    x: number,
    xStride: number,
    nColumns: number,
    k: number,
    fromUnit: number,
    toUnit: number,
    dst: number,
  ): void;
  packUnits(format: number, k: number): number;
  matmulTile(
    type: number,
    nGroups: number,
    w: number,
    groupBytes: number,
    y: number,
    k: number,
    columns: number,
    out: number,
    outStride: number,
    scratch: number,
  ): void;
  // quantising (assembly/quantize)
  isQuantizable(type: number): boolean | number;
  needsImatrix(type: number): boolean | number;
  /** Whether a block's bytes depend on all of its row. */
  needsWholeRow(type: number, weighted: boolean): boolean | number;
  quantizeTableBytes(type: number): number;
  prepareQuantize(type: number, tables: number): void;
  /** Bytes that each thread needs for Op.quantize on pieces of `width` weights. */
  quantizeWorkBytes(source: number, width: number): number;
  // elementary functions (f64)
  exp64(x: number): number;
  log64(x: number): number;
  pow64(x: number, y: number): number;
}
