// Models whose logits have a committed hash (logits.json). The hash is part of the numerics: assembly/NUMERICS.md.
// UPDATE_GOLDEN=1 npx vitest run test/golden writes the file anew, after a change of version.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { EMBEDDED } from "../built.ts";
import { loadZooCase, zooNames } from "../reference/zoo.ts";

export interface GoldenCase {
  readonly name: string;
  readonly path: string;
  readonly tokens: readonly number[];
  readonly nCtx: number;
}

/** Token ids spread over the embedded model's vocabulary, by a fixed rule. */
const spread = Array.from({ length: 40 }, (_, i) => (i === 0 ? 1 : 259 + ((i * 97) % 3700)));

export const EMBEDDED_CASE: GoldenCase = {
  name: "embedded",
  path: EMBEDDED,
  tokens: spread,
  nCtx: 64,
};

/** The embedded model, and the zoo models that are here (committed ones, or all of ../shared) and have a hash. */
export function goldenCases(): GoldenCase[] {
  const { models } = readGolden();
  return candidates().filter(({ name }) => name in models);
}

export function candidates(): GoldenCase[] {
  const zoo = zooNames()
    .map(loadZooCase)
    .filter((z) => z.kind === "causal");
  return [
    EMBEDDED_CASE,
    ...zoo.map(({ name, path, tokens, n_ctx }) => ({ name, path, tokens, nCtx: n_ctx })),
  ];
}

export interface Golden {
  /** Version of the numerics. */
  readonly numerics: number;
  readonly unicode: number;
  readonly models: Readonly<Record<string, string>>;
}

const file = new URL("logits.json", import.meta.url);

export function readGolden(): Golden {
  return existsSync(file)
    ? JSON.parse(readFileSync(file, "utf8"))
    : { numerics: 0, unicode: 0, models: {} };
}

export function writeGolden(golden: Golden): void {
  writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`);
}
