// How fast a model reads and writes here, in a few seconds: one measure each after a warm-up. samebit bench measures with
// more care.

import type { Model } from "../model.ts";

/** Tokens per second. */
export interface Speed {
  readonly read: number;
  readonly write: number;
}

/** Enough to fill the kernels' tiles, and to leave the first tokens' overhead behind. */
const READ = 128,
  WRITE = 32,
  WARM_UP = 8;

/** Reads and writes the first of `tokens`, from an empty history. */
export async function measureSpeed(
  model: Model,
  tokens: Int32Array,
  signal?: AbortSignal,
): Promise<Speed> {
  const most = Math.min(tokens.length, model.nCtx),
    read = Math.min(READ, most),
    write = Math.min(WRITE, most);
  await seconds(model, tokens.subarray(0, read), read, signal);
  const reading = await seconds(model, tokens.subarray(0, read), read, signal);
  await seconds(model, tokens.subarray(0, Math.min(WARM_UP, most)), 1, signal);
  const writing = await seconds(model, tokens.subarray(0, write), 1, signal);
  return { read: read / reading, write: write / writing };
}

async function seconds(
  model: Model,
  tokens: Int32Array,
  step: number,
  signal?: AbortSignal,
): Promise<number> {
  const session = model.createSession();
  try {
    const start = performance.now();
    for (let i = 0; i < tokens.length; i += step)
      await session.evaluate(tokens.subarray(i, i + step), { signal });
    return (performance.now() - start) / 1000;
  } finally {
    session.close();
  }
}
