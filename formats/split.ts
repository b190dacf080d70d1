// Models in several files, as llama.cpp's gguf-split writes them: NAME-00001-of-00003.gguf, ... The first
// file carries the metadata; each carries its own part of the tensors and three keys that tell its place.
import { GgufError } from "./errors.ts";
import type { Metadata } from "./metadata.ts";

export const SPLIT_NO = "split.no";
export const SPLIT_COUNT = "split.count";
export const SPLIT_TENSORS = "split.tensors.count";

/** 5 digits in a name bound the number of files that one header can make us open. */
export const MAX_SPLITS = 99_999;

// A query or fragment may follow in a URL.
const SPLIT_NAME = /-(\d{5})-of-(\d{5})(\.gguf(?:[?#].*)?)$/;

/** The place of a file of this name in its series (`index` from 0), or undefined if the name has no such part. */
export function parseSplitName(name: string): { index: number; count: number } | undefined {
  const match = SPLIT_NAME.exec(name);
  if (!match) return undefined;
  const [index, count] = [Number(match[1]) - 1, Number(match[2])];
  return index >= 0 && index < count ? { index, count } : undefined;
}

/**
 * The names of all files of the series that `name` belongs to, in order. A name without
 * `-0000i-of-0000N.gguf` is a series of one.
 */
export function splitSiblings(name: string): string[] {
  const place = parseSplitName(name);
  if (!place) return [name];
  return Array.from({ length: place.count }, (_, i) =>
    splitName(name.replace(SPLIT_NAME, "$3"), i, place.count),
  );
}

/** `model.gguf` -> `model-00001-of-0000N.gguf` for `index` 0. */
export function splitName(name: string, index: number, count: number): string {
  const number = (n: number): string => String(n).padStart(5, "0");
  return name.replace(/(\.gguf)?([?#].*)?$/, (_, __, query: string | undefined) => {
    return `-${number(index + 1)}-of-${number(count)}.gguf${query ?? ""}`;
  });
}

/** `{ index, count }` from the file's own keys; a file without them is one of one. */
export function splitPlace(metadata: Metadata): { index: number; count: number } {
  // gguf-split --merge leaves split.count 0 behind.
  const count = metadata.getU32(SPLIT_COUNT, 0) || 1;
  const index = metadata.getU32(SPLIT_NO, 0);
  if (index < count && count <= MAX_SPLITS) return { index, count };
  throw new GgufError({
    subject: SPLIT_NO,
    expected: `less than ${SPLIT_COUNT}, at most ${MAX_SPLITS}`,
    found: `${index} of ${count}`,
    source: metadata.source,
  });
}
