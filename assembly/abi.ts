// The words that src/plan writes and assembly/ reads: opcodes, instruction words, control block, batch header.
// The file is valid TypeScript and valid AssemblyScript: plain enums, nothing else. assembly/build.mjs copies it
// to src/kernels/abi.generated.ts, so that both sides read one source.

/** Version of the arithmetic (assembly/NUMERICS.md). Stored with hashes and saved states. */
export enum Numerics { version = 1 }

/** Bytes of one instruction in a plan: 32 words of 4 bytes. */
export enum Instruction { bytes = 128, words = 32 }

/** First word of an instruction. */
export enum Op {
  end = 0,
  embed = 1,
  pack = 2,
  matmul = 3,
  binary = 4,
  unary = 5,
  gated = 6,
  norm = 7,
  ropeTable = 8,
  rope = 9,
  kvStore = 10,
  attention = 11,
  gatherRows = 12,
  scatterRows = 13,
  route = 14,
  expertSort = 15,
  packRows = 16,
  expertMatmul = 17,
  expertSum = 18,
  checkNan = 19,
  sumSquares = 20,
  lowRank = 21,
  stateRead = 22,
  stateWrite = 23,
  softmax = 24,
  addVector = 25,
  repack = 30,
  quantize = 31,
  copyRuns = 40,
  scaleRuns = 41,
  magnitude = 42,
  gaussianTopK = 43,
  clampedGate = 44,
  expertRow = 45,
  eachExpert = 46,
  temperature = 47,
  tokenShift = 60,
  shortConv = 61,
  ssmScan = 62,
  wkv7 = 63,
  gatedDelta = 64,
  groupSum = 65,
  pool = 68,
  expertSumSquares = 80,
  plainRows = 120,
}

/** Word 1 of an instruction: bit flags; above costShift about how many ns one thread takes for a row, or 0: long, or not known. */
export enum Flag { barrierBefore = 1, costShift = 8 }

/** Word 2 of an instruction: what its row count is. `fixed`: word 3 holds it. */
export enum RowsKind { fixed = 0, tokens = 1, outputs = 2, sequences = 3 }

/**
 * Instruction words common to all ops. A tensor is f32 [rows, width], row-major; strides are in bytes and a
 * multiple of 16. Lanes between width and the stride may hold anything finite or not: never read them into a result.
 */
export enum Word {
  op = 0,
  flags = 1,
  rowsKind = 2,
  rows = 3,
  dst = 4,
  dstStride = 5,
  a = 6,
  aStride = 7,
  width = 8,
  // words 9.. are per op, below
}

/** dst[r] = row index(r) of an R4 weight. */
export enum EmbedWord { type = 9, groupBytes = 10, index = 11, nRows = 12, weight = 13 }
/** EmbedWord.index: which batch array selects the row. */
export enum EmbedIndex { token = 0, position = 1, zero = 2, tokenOrZero = 3 }

/** Packs rows of a (f32) into activation tiles at dst. One row, of some formats two: one-column tiles; more rows: tiles of `tileColumns`. */
export enum PackWord { format = 9, tileBytes1 = 10, tileBytes = 11, tileColumns = 12 }

/** dst[r, m] = sum_k weight[m, k] * a[r, k]; Word.a is the packed activation; Word.width is K. */
export enum MatmulWord { type = 9, weight = 10, groupBytes = 11, nGroups = 12, tileBytes1 = 13, tileBytes = 14, tileColumns = 15 }

/** dst = a (kind) b. bStride 0: b is one row, used for every row. */
export enum BinaryWord { kind = 9, b = 10, bStride = 11 }
export enum BinaryKind { add = 0, mul = 1, sub = 2 }

/** dst = f(a). param: f32 bits. */
export enum UnaryWord { kind = 9, param = 10 }
/**
 * Also the activation of GatedWord.kind. scale: x*param; softcap: param*tanh(x/param). clamp: to +-param. scaleBy: as
 * scale, param is the address of the factor.
 */
export enum UnaryKind {
  copy = 0, scale = 1, softcap = 2, silu = 3, gelu = 4, geluErf = 5, geluQuick = 6, relu = 7, relu2 = 8, sigmoid = 9, tanh = 10,
  softplus = 11, exp = 12, clamp = 20, scaleBy = 21,
}

/** dst = f(a) * b. */
export enum GatedWord { kind = 9, b = 10, bStride = 11 }

/** Norm of every group of `group` elements of a row; weight and bias (f32 vectors or 0) have `weightWidth` elements, repeated. */
export enum NormWord { kind = 9, weight = 10, bias = 11, eps = 12, group = 13, weightWidth = 14 }
export enum NormKind { rms = 0, layer = 1, l2 = 2 }

/**
 * cos and sin per row: dst row = cos[nRot/2] then sin[nRot/2]. f32 words: thetaScale, freqScale, extFactor, mscale,
 * corrLow, corrHigh. factors: pointer to f32 [nRot/2] or 0. axis: which of the four positions.
 */
export enum RopeTableWord {
  nRot = 9, thetaScale = 10, freqScale = 11, extFactor = 12, mscale = 13, corrLow = 14, corrHigh = 15, factors = 16, axis = 17,
}
/** Rotates the first nRot elements of every head of headDim elements; the rest is copied. May run in place. */
export enum RopeWord { headDim = 9, nRot = 10, mode = 11, table = 12, tableStride = 13 }
export enum RopeMode { norm = 0, neox = 1 }

/** Writes k (Word.a) and v into the cache pages of the batch's write slots; window 1: of its window slots. */
export enum KvStoreWord {
  v = 9, vStride = 10, nHeadKv = 11, dimK = 12, dimV = 13, kBase = 14, vBase = 15, kType = 16, vType = 17, kPageBytes = 18, vPageBytes = 19,
  window = 20,
}
/** Element type of the KV cache: ids of the ggml types. */
export enum KvType { f32 = 0, f16 = 1, q8_0 = 8 }
/** Positions in a page of the KV cache and in a chunk of attention (NUMERICS.md); pages of a group (assembly/ops/kv-page.ts). */
export enum Kv { pagePositions = 16, chunkPositions = 256, groupPages = 16 }

/**
 * dst[r, h*dimV..] = attention of head h of query row r. f32 words: scale, softcap (0: none). partials: f32
 * [partialRows, nHead, maxChunks, dimV + 4], zero at first and used by attention alone, or 0. maxChunks: ceil(nCtx / 256).
 * chunk: keys before the query's own stretch of `chunk` positions are hidden; 0: none are.
 * relativeBias: f32 [nBuckets, nHead] or 0; buckets: f32, the bucket of distance 0 (key minus query), the others around it.
 * pages: whose keys they are, a KeyPages.
 */
export enum AttentionWord {
  nHead = 9, nHeadKv = 10, dimK = 11, dimV = 12, kBase = 13, vBase = 14, kType = 15, vType = 16, kPageBytes = 17, vPageBytes = 18,
  scale = 19, softcap = 20, window = 21, slopes = 22, sinks = 23, causal = 24, partials = 25, maxChunks = 26,
  partialRows = 27, chunk = 28, relativeBias = 29, buckets = 30, pages = 31,
}
/** Keys in the sequence's own pages, in those of its encoder, or in those that a window forgets when they are old. */
export enum KeyPages { own = 0, encoder = 1, window = 2 }

/** dst row i = a row index[i]; index: pointer to u32, or 0 for the batch's output rows. Scatter: dst row index[i] = a row i. */
export enum GatherWord { index = 9 }

/** a: router logits [rows, nExpert]; dst: i32 expert ids [rows, nUsed] (stride dstStride); weights: f32, same stride. */
export enum RouteWord {
  nUsed = 9, gating = 10, bias = 11, normalise = 12, scale = 13, nGroup = 14, nGroupUsed = 15, weights = 16,
}
export enum Gating { softmax = 1, sigmoid = 2, softmaxOfSelected = 3, sqrtSoftplus = 4 }

/**
 * Groups the (row, slot) pairs of a routing by expert, ascending; within an expert by row, then slot.
 * a: ids. dst: u32 nTiles, u32 columns; then u32 tileExpert[maxTiles]; then u32 pair[maxTiles * tileColumns]
 * (pair = row * nUsed + slot; 0xffffffff pads the last tile of an expert).
 */
export enum ExpertSortWord { nUsed = 9, nExpert = 10, tileColumns = 11, maxTiles = 12 }
/** Packs the pairs of a sorted list. perSlot 0: every slot of a row reads the same K elements; 1: slot s reads a[row, s*K ..]. */
export enum PackRowsWord { format = 9, tileBytes1 = 10, tileBytes = 11, list = 12, maxTiles = 13, nUsed = 14, perSlot = 15 }
/** dst[row, slot*M + m] = sum_k weight[expert(row, slot)][m, k] * packed. nGroups = ceil(M/4); missing: 4 * nGroups - M. */
export enum ExpertMatmulWord {
  type = 9, weight = 10, groupBytes = 11, nGroups = 12, tileBytes1 = 13, tileBytes = 14, list = 15, maxTiles = 16, nUsed = 17, expertBytes = 18, missing = 19,
}
/** dst[row] = sum over slots in rank order of weights[row, slot] * a[row, slot*width ..]. */
export enum ExpertSumWord { weights = 9, weightsStride = 10, nUsed = 11 }

/** dst: f32 [width] += a*a summed over rows in order; count: pointer to a u32 that grows by rows. */
export enum SumSquaresWord { count = 9 }
/**
 * SumSquaresWord for experts: dst f32 [nExpert] rows of dstStride bytes, counts u32 [nExpert]. ids (stride idsStride): the
 * experts of each row of a; perSlot as in PackRowsWord. Rows in order, slots in rank order.
 */
export enum ExpertSumSquaresWord { counts = 9, ids = 10, idsStride = 11, nUsed = 12, perSlot = 13 }
/** dst[r] += scale * (up . (down . a[r])). down: f32 [rank, K], up: f32 [width, rank], rows plain. Word.width: output width. */
export enum LowRankWord { down = 9, up = 10, rank = 11, scale = 12, k = 13, slot = 14 }
/** Loading: rows of the file at a (aStride: bytes of one) to R4 groups at dst. Word.rows, Word.width: rows and K. */
export enum RepackWord { type = 9, groupBytes = 10 }
/**
 * Rows of type `source` at a to rows of `type` at dst, in pieces of `piece` weights. imatrix: f32 [width] or 0. work: workBytes
 * for each thread. faults: per piece u32 and f32, see assembly/quantize/op.ts.
 */
export enum QuantizeWord { type = 9, source = 10, piece = 11, imatrix = 12, tables = 13, work = 14, workBytes = 15, faults = 16 }
/**
 * Loading: bundles of interleaved rows at a (aStride: bytes of one) to plain rows at dst. Word.rows: bundles;
 * Word.width: K. dstStride: bytes of the rows of a bundle. layout: see PlainRows; scale: address of a scale for all rows, or 0.
 */
export enum PlainRowsWord { layout = 9, scale = 10 }
/** Words of a layout (quants/plain-rows.ts): rows of a bundle, weights of a round, bytes; then moves of Move.words words. */
export enum PlainRows { rows = 0, weights = 1, blockBytes = 2, rowBlockBytes = 3, scaleBytes = 4, rowScaleBytes = 5, scaleMoves = 6, moves = 7, words = 8 }
export enum Move { kind = 0, from = 1, step = 2, right = 3, mask = 4, to = 5, left = 6, flip = 7, words = 8 }
/**
 * What a move does for row k of a bundle: dst[to] |= (((src[from + k * step] >> right) & mask) ^ flip) << left. signs: an index
 * x becomes x ^ (x << 1); gather: bits 0, 8, 16, 24 become bits 0..3; sum: adds four i8 to an i32 of the row; rowScale: src
 * is the row scales.
 */
export enum MoveKind { u8 = 0, u16 = 1, u32 = 2, signs = 3, gather = 4, sum = 5, rowScale = 6 }
/**
 * Sequence state: f32 [width] in slots of slotBytes bytes at base; row s of dst (read) or a (write) belongs to sequence s of
 * the batch. A run reads slot Sequence.stateSlot and writes slot stateSlot ^ 1.
 */
export enum StateWord { base = 9, slotBytes = 10 }

// Recurrent ops: words 9 and 10 are those of StateWord; the state is theirs alone. Rows: tokens.

/** dst row = the row of a before it in its sequence. State: the last row. */
export enum TokenShiftWord { base = 9, slotBytes = 10 }
/** Convolution of every column with its own taps. weight: f32 [width, taps], the last tap for the row itself. State: the last taps - 1 rows. */
export enum ShortConvWord { base = 9, slotBytes = 10, weight = 11, taps = 12 }
/**
 * Selective scan. x (Word.a): [nHead * headDim]; dt: [nHead]; B, C (b, c): [nGroup * nState]; A: f32 [nHead, nState], or [nHead]
 * with aPerHead 1; D: f32 [nHead]. State: [nHead * headDim, nState].
 */
export enum SsmScanWord {
  base = 9, slotBytes = 10, dt = 11, dtStride = 12, b = 13, bStride = 14, c = 15, cStride = 16, A = 17, D = 18, nState = 19,
  headDim = 20, nGroup = 21, aPerHead = 22,
}
/**
 * RWKV-7. r (Word.a), w, k, v, a (remove), b (write): heads of headSize, a multiple of 16. remove 0: nothing is removed, and write is
 * any finite tensor. State: per head [headSize keys, headSize values].
 */
export enum Wkv7Word {
  base = 9, slotBytes = 10, w = 11, wStride = 12, k = 13, kStride = 14, v = 15, vStride = 16, remove = 17, removeStride = 18,
  write = 19, writeStride = 20, headSize = 21,
}
/**
 * Gated delta rule. q (Word.a), k: nHeadK heads of dimK; v: heads of dimV, a multiple of 16; decay, beta: one number per head of v.
 * Head h of v reads head h % nHeadK of q and k, or with grouped 1 head h / (nHeadV / nHeadK). State: per head of v [dimK, dimV].
 */
export enum GatedDeltaWord {
  base = 9, slotBytes = 10, k = 11, kStride = 12, v = 13, vStride = 14, decay = 15, decayStride = 16, beta = 17, betaStride = 18,
  dimK = 19, dimV = 20, nHeadK = 21, grouped = 22,
}

/** dst = softmax of every run of `group` elements of a. */
export enum SoftmaxWord { group = 9 }
/** dst = a + vector, f32 [width]; 0: dst = a. */
export enum AddVectorWord { vector = 9 }

/** Copies every run of `run` elements; run i stands at i * fromStep bytes in a row of a and i * toStep in one of dst. */
export enum CopyRunsWord { run = 9, fromStep = 10, toStep = 11 }
/** dst[r, c] = a[r, c] * factors[r, c / run]. */
export enum ScaleRunsWord { run = 9, factors = 10, factorsStride = 11 }
/** dst[r, i] = length (Euclidean) of run i of a's row r. Word.width: runs. */
export enum MagnitudeWord { run = 9 }
/** dst = relu(a - (mean + multiplier * deviation)), mean and deviation of the row. multiplier: f32. */
export enum GaussianTopKWord { multiplier = 9 }
/** dst = geluQuick(min(a, limit)) * (clamp(b, +-limit) + 1). limit: f32. */
export enum ClampedGateWord { limit = 9, b = 10, bStride = 11 }
/** dst[r, slot] = a[r, slot] (kind) b[expert(r, slot)], slots of `slotWidth` elements. b: f32 [nExpert, bWidth]; bWidth is slotWidth or 1. */
export enum ExpertRowWord { kind = 9, b = 10, bWidth = 11, slotWidth = 12, ids = 13, idsStride = 14 }
/** dst[r] = log(floor((position + offset) / floor) + 1) * scale + 1; all f32. */
export enum TemperatureWord { scale = 9, floor = 10, offset = 11 }
/** dst[r, g] = sum of run g of `group` elements of a. Word.width: of dst. */
export enum GroupSumWord { group = 9 }

/** dst: one row per sequence, out of the rows of a that belong to it. */
export enum PoolWord { kind = 9 }
export enum PoolKind { mean = 0, cls = 1, last = 2 }

/**
 * The control block, at the start of the managed memory of a bank; byte offsets. Written with atomics.
 * Each group of words that different threads hammer has a cache line of its own.
 */
export enum Control {
  epoch = 0,
  command = 4,
  sleepers = 64,
  /** u64: where the run is (assembly/stages.ts). */
  stage = 128,
  /** Threads asleep until the next stage is open. */
  stageSleepers = 192,
  /** Non-zero: leave at the next poll. One of Abort. */
  abort = 256,
  /** Address of the first instruction that made a NaN, or 0. */
  nanInstruction = 260,
  /** Thread that raised the abort. */
  abortThread = 264,
  /** Address of the instruction each thread is in, for error messages: a u32 per thread, in a line of its own (progressBytes). */
  progress = 320,
  progressBytes = 64,
  bytes = 8512,
}
export enum Abort { none = 0, cancelled = 1, trap = 2, nan = 3, flushToZero = 4, died = 5 }

/**
 * What the stage word can count: instructions of a segment, and segments of a schedule. briefNs: what one thread may take for a
 * stage before others are called to it, about what it takes them to come.
 */
export enum StageLimit { instructions = 0xffff, segments = 0xffff, briefNs = 3000 }

/**
 * Most threads a bank can serve: Control.progress has a line for each, and the stage word has 8 bits for their number. experts: for
 * which a thread's scratch memory has room.
 */
export enum Limit { threads = 128, scratchBytes = 131072, experts = 8192 }

/** Batch header; byte offsets from its start. Pointers are addresses in the same bank. */
export enum Batch {
  version = 0,
  nTokens = 4,
  nOutputs = 8,
  nSequences = 12,
  /** First entry of outputRows that this run computes. */
  outputStart = 16,
  /** 1: stop at the first instruction whose result holds a NaN (a second run, to name it). */
  traceNan = 20,
  /** i32 [nTokens]; -1: the row comes from inputRows. */
  tokens = 24,
  /** i32 [nTokens, 4]. */
  positions = 28,
  /** u32 [nTokens]: index into sequences. */
  sequenceOf = 32,
  /** u32 [nTokens]: page id * 16 + position % 16. */
  writeSlots = 36,
  /** u32 [nOutputs]: rows of the batch whose logits are wanted. */
  outputRows = 40,
  /** f32 [nTokens, nEmbd] or 0. */
  inputRows = 44,
  /** u32 [nTokens]: adapter slot + 1, or 0. */
  adapters = 48,
  /** Sequence records, Sequence.bytes each. */
  sequences = 52,
  /** As writeSlots, for layers whose old positions are forgotten. */
  windowSlots = 56,
  bytes = 64,
}

/** One sequence of a batch: its recurrent state is read from stateSlot and written to stateSlot ^ 1. */
export enum Sequence {
  pageTable = 0, length = 4, stateSlot = 8, mask = 12,
  /** The same of its encoder. */
  crossPageTable = 16, crossLength = 20,
  /** As pageTable, for layers whose old positions are forgotten: their entries are stale. */
  windowPageTable = 24, bytes = 32,
}
