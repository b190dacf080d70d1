// Quantising by all threads: a pool over one memory, for callers that convert a model tensor by tensor, or in slabs of rows.

import { checkThreads, type ThreadOptions } from "../engine-options.ts";
import { RunError } from "../errors.ts";
import { chooseKernels, type Kernels } from "../kernels/module.ts";
import { InlinePool } from "../threads/inline-pool.ts";
import { type Pool, ThreadPool } from "../threads/pool.ts";
import { Turns } from "../threads/turns.ts";
import { checkRequest, type QuantizeOptions, type StoredWeights } from "./request.ts";
import { Slabs } from "./slabs.ts";

export type QuantizerOptions = ThreadOptions;

export interface SlabOptions extends QuantizeOptions {
  /** Ends the work within seconds: RunError "cancelled". */
  readonly signal?: AbortSignal;
}

/**
 * Starts the threads of a quantiser; `close` ends them. They do not keep the process alive. Throws OptionError, and RunError
 * "thread-died" where they do not start.
 */
export async function openQuantizer(options: QuantizerOptions = {}): Promise<Quantizer> {
  const { threads, inline } = checkThreads(options);
  return Quantizer.start(await chooseKernels("base", !inline), threads);
}

export class Quantizer {
  private readonly turns = new Turns();
  private closed = false;

  private constructor(
    private readonly slabs: Slabs,
    private readonly pool: Pool,
    readonly threads: number,
  ) {}

  /** For openQuantizer. Kernels that share no memory run in this thread. */
  static async start(kernels: Kernels, nThreads: number): Promise<Quantizer> {
    const { module, shared } = kernels,
      slabs = new Slabs(kernels, nThreads);
    const pool = shared
      ? await ThreadPool.start(module, [slabs], nThreads)
      : new InlinePool(module, [slabs]);
    return new Quantizer(slabs, pool, nThreads);
  }

  /**
   * Bytes of `values` as type `typeName`, as quantize gives them. `values` may be rows of a tensor as they stand in a file:
   * they are read by the kernels. Leave them unchanged until the promise settles; calls are served in their order.
   * Throws as quantize does; RunError "cancelled", "closed", "thread-died".
   */
  quantize(
    typeName: string,
    values: Float32Array | StoredWeights,
    { signal, ...options }: SlabOptions = {},
  ): Promise<Uint8Array> {
    return this.turns.take(async () => {
      if (this.closed) throw closedError();
      const steps = this.slabs.convert(checkRequest(this.slabs.exports, typeName, values, options));
      let step = steps.next();
      for (; !step.done; step = steps.next()) await this.run(signal);
      return step.value;
    }, signal);
  }

  private async run(signal?: AbortSignal): Promise<void> {
    try {
      await this.pool.run(this.slabs.schedule, () => "quantising", signal);
    } catch (error) {
      // the pool speaks of models
      if (this.closed) throw closedError();
      if (!(error instanceof RunError && error.failure === "thread-died")) throw error;
      throw new RunError(
        "thread-died",
        "quantizer: expected its threads to run, found one dead; open another one",
        { cause: error },
      );
    }
  }

  /** Ends the threads; work in progress fails. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.closed = true;
    await this.pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function closedError(): RunError {
  return new RunError("closed", "quantizer: expected it open, found it closed");
}
