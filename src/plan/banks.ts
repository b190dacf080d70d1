// Splits a recording over memory banks. A bank is one WebAssembly.Memory; instructions run where their weight, cache
// or state lives, and values that cross a border are copied at the start of the segment that needs them. With one
// bank there is one segment. Tied embeddings are used first and last, so a schedule may come back to a bank.

import { MemoryError } from "../errors.ts";
import type {
  BankContents,
  PageCounts,
  PlacedCache,
  PlacedState,
  PlacedWeight,
} from "../memory/placed.ts";
import type { Instr, Recording, Ref, Value } from "./instruction.ts";

export interface Transfer {
  readonly value: Value;
  readonly from: number;
  readonly to: number;
}

/** Instructions [start, end) of the recording, in one bank. */
export interface Segment {
  readonly bank: number;
  readonly start: number;
  readonly end: number;
  readonly transfers: readonly Transfer[];
  readonly head: boolean;
  readonly encoder: boolean;
}

export interface Banked {
  readonly banks: readonly BankContents[];
  readonly segments: readonly Segment[];
  /** Bank in which each value is computed, by value id. */
  readonly home: ReadonlyMap<number, number>;
}

/** Bytes an anchored resource takes. nPages: pages of the KV cache. */
function resourceBytes(
  resource: PlacedWeight | PlacedCache | PlacedState,
  nPages: PageCounts,
): number {
  if ("layer" in resource)
    return (resource.kPageBytes + resource.vPageBytes) * nPages[resource.pool];
  return resource.bytes;
}

/**
 * Assigns every instruction to a bank of at most `capacity` bytes of weights, cache and state.
 * Throws MemoryError when a single tensor is larger than a bank.
 */
export function assignBanks(recording: Recording, capacity: number, nPages: PageCounts): Banked {
  const banks: BankContents[] = [],
    used: number[] = [];
  const anchor = new Map<PlacedWeight | PlacedCache | PlacedState, number>();
  const home = new Map<number, number>(),
    instrBank: number[] = [];
  const open = () => {
    banks.push({ weights: new Set(), caches: new Set(), states: new Set() });
    used.push(0);
  };
  open();
  let filling = 0,
    current = 0;

  const hold = (bank: number, resource: PlacedWeight | PlacedCache | PlacedState) => {
    const { weights, caches, states } = banks[bank];
    const set: Set<unknown> =
      "layer" in resource ? caches : "layout" in resource ? weights : states;
    if (set.has(resource)) return;
    set.add(resource);
    used[bank] += resourceBytes(resource, nPages);
  };

  for (const instr of recording.instrs) {
    const anchored = [...new Set(references(instr).flatMap(anchoredResource))];
    const grown = instr.writes.find((w) => w.kind === "value" && home.has(w.value.id));
    const placedIn = anchored.find((resource) => anchor.has(resource));
    let bank = current;
    if (placedIn) bank = anchor.get(placedIn)!;
    else if (grown?.kind === "value") bank = home.get(grown.value.id)!;
    else if (anchored.length > 0) {
      const bytes = anchored.reduce((sum, resource) => sum + resourceBytes(resource, nPages), 0);
      if (bytes > capacity) {
        throw new MemoryError(
          `${instr.label}: expected at most ${capacity} bytes in a memory bank, found ${bytes}; ` +
            "use larger banks, a smaller context or a smaller model",
        );
      }
      if (used[filling] + bytes > capacity) {
        open();
        filling++;
      }
      bank = filling;
    }
    for (const resource of anchored) {
      if (!anchor.has(resource)) anchor.set(resource, bank);
      else if (anchor.get(resource) !== bank)
        throw new MemoryError(`${instr.label}: its resources lie in two banks; use larger banks`);
      hold(bank, resource);
    }
    for (const r of references(instr)) {
      if (r.kind === "weight" && r.weight.layout === "vector") hold(bank, r.weight);
      if (r.kind === "state" && r.state.everywhere) hold(bank, r.state);
    }
    for (const w of instr.writes)
      if (w.kind === "value" && !home.has(w.value.id)) home.set(w.value.id, bank);
    instrBank.push(bank);
    current = bank;
  }
  return { banks, segments: cut(recording.instrs, instrBank, home), home };
}

/** All references of an instruction, operands in words included. */
export function references(instr: Instr): Ref[] {
  const refs = [...instr.reads, ...instr.writes];
  for (const word of instr.words.values()) if (typeof word !== "number") refs.push(word);
  return refs;
}

function anchoredResource(r: Ref): (PlacedWeight | PlacedCache | PlacedState)[] {
  if (r.kind === "cache") return [r.cache];
  if (r.kind === "state") return r.state.everywhere ? [] : [r.state];
  return r.kind === "weight" && r.weight.layout === "matrix" ? [r.weight] : [];
}

/** Runs of instructions in one bank; a new one also begins where the decoder or the head does. */
function cut(
  instrs: readonly Instr[],
  instrBank: readonly number[],
  home: ReadonlyMap<number, number>,
): Segment[] {
  const segments: Segment[] = [];
  const present = new Set<string>();
  for (let start = 0; start < instrs.length;) {
    const bank = instrBank[start],
      { head, encoder } = instrs[start];
    if (head && !segments.at(-1)?.head) present.clear(); // the head runs again for every chunk: it fetches anew
    let end = start;
    const transfers: Transfer[] = [];
    while (
      end < instrs.length &&
      instrBank[end] === bank &&
      instrs[end].head === head &&
      instrs[end].encoder === encoder
    ) {
      for (const r of instrs[end].reads) {
        if (r.kind !== "value" || home.get(r.value.id) === bank) continue;
        const key = `${r.value.id}@${bank}`;
        if (present.has(key)) continue;
        present.add(key);
        transfers.push({ value: r.value, from: home.get(r.value.id)!, to: bank });
      }
      end++;
    }
    segments.push({ bank, start, end, transfers, head, encoder });
    start = end;
  }
  return segments;
}
