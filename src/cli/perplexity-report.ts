// What samebit perplexity prints and writes: llama-perplexity's lines, JSON, and CSV with a row per chunk.

import {
  type ChunkKlDivergence,
  type Distribution,
  type KlDivergenceResult,
  PERCENTILES,
} from "../tools/kl-divergence.ts";
import type { PerplexityResult } from "../tools/perplexity.ts";
import type { Estimate } from "../tools/uncertainty.ts";

interface About {
  readonly model: string;
  readonly nCtx: number;
}

export function perplexityText({ perplexity: { value, error } }: PerplexityResult): string {
  return `\nFinal estimate: PPL = ${value.toFixed(4)} +/- ${error.toFixed(5)}\n`;
}

export function perplexityJson(
  { model, nCtx }: About,
  { perplexity, scoredTokens, chunks }: PerplexityResult,
) {
  return {
    model,
    n_ctx: nCtx,
    n_chunks: chunks.length,
    scored_tokens: scoredTokens,
    perplexity: perplexity.value,
    perplexity_error: perplexity.error,
    chunks: chunks.map((c) => ({
      chunk: c.chunk,
      mean_nll: c.meanNll,
      perplexity: c.perplexity.value,
      perplexity_error: c.perplexity.error,
    })),
  };
}

export function perplexityCsv({ chunks }: PerplexityResult): string {
  return csv(
    ["chunk", "mean_nll", "perplexity", "perplexity_error"],
    chunks.map((c) => [c.chunk, c.meanNll, c.perplexity.value, c.perplexity.error]),
  );
}

export const DIVERGENCE_TITLE =
  "chunk             PPL               ln(PPL(Q)/PPL(base))          KL Divergence              Δp RMS            Same top p\n";

/** One line per chunk, over all chunks so far. */
export function divergenceLine({
  chunk,
  perplexity,
  logRatio,
  klDivergence,
  deltaPRms,
  sameTop,
}: ChunkKlDivergence): string {
  return (
    `${String(chunk).padStart(4)}       ${plusMinus(perplexity, 4, 10)}      ${plusMinus(logRatio, 5, 10)}      ` +
    `${plusMinus(klDivergence, 5, 10)}    ${percent(deltaPRms, 3, 6)}    ${percent(sameTop, 3, 6)}\n`
  );
}

export function divergenceText(r: KlDivergenceResult): string {
  const line = (name: string, value: string) => `${name.padEnd(30)}: ${value}`;
  const kldLines = distributionLines("KLD", r.kld, (x) => x.toFixed(6).padStart(10));
  const deltaLines = distributionLines(
    "Δp",
    r.deltaP,
    (x) => `${(100 * x).toFixed(3).padStart(7)}%`,
  );
  return `${[
    "",
    "====== Perplexity statistics ======",
    line("Mean PPL(Q)", plusMinus(r.perplexity, 6, 10)),
    line("Mean PPL(base)", plusMinus(r.basePerplexity, 6, 10)),
    line("Cor(ln(PPL(Q)), ln(PPL(base)))", `${(100 * r.correlation).toFixed(2).padStart(6)}%`),
    line("Mean ln(PPL(Q)/PPL(base))", plusMinus(r.logRatio, 6, 10)),
    line("Mean PPL(Q)/PPL(base)", plusMinus(r.ratio, 6, 10)),
    line("Mean PPL(Q)-PPL(base)", plusMinus(r.difference, 6, 10)),
    "",
    "====== KL divergence statistics ======",
    line("Mean    KLD", plusMinus(r.klDivergence, 6, 10)),
    ...kldLines,
    "",
    "====== Token probability statistics ======",
    line("Mean    Δp", percent(r.meanDeltaP, 3, 6)),
    ...deltaLines,
    line("RMS Δp", percent(r.deltaPRms, 3, 6)),
    line("Same top p", percent(r.sameTop, 3, 6)),
  ].join("\n")}\n`;
}

export function divergenceJson({ model, nCtx }: About, r: KlDivergenceResult) {
  return {
    model,
    n_ctx: nCtx,
    n_chunks: r.chunks.length,
    scored_tokens: r.scoredTokens,
    ...fields("perplexity", r.perplexity),
    ...fields("base_perplexity", r.basePerplexity),
    correlation: r.correlation,
    ...fields("log_ratio", r.logRatio),
    ...fields("ratio", r.ratio),
    ...fields("difference", r.difference),
    ...fields("kld_mean", r.klDivergence),
    kld: r.kld,
    ...fields("delta_p_mean", r.meanDeltaP),
    ...fields("delta_p_rms", r.deltaPRms),
    delta_p: r.deltaP,
    ...fields("same_top", r.sameTop),
    chunks: r.chunks.map((c) => ({
      chunk: c.chunk,
      mean_kld: c.meanKld,
      ...fields("perplexity", c.perplexity),
      ...fields("log_ratio", c.logRatio),
      ...fields("kld_mean", c.klDivergence),
      ...fields("delta_p_rms", c.deltaPRms),
      ...fields("same_top", c.sameTop),
    })),
  };
}

export function divergenceCsv(r: KlDivergenceResult): string {
  const { chunks } = divergenceJson({ model: "", nCtx: 0 }, r);
  return csv(
    Object.keys(chunks[0]),
    chunks.map((c) => Object.values(c)),
  );
}

function distributionLines(name: string, d: Distribution, show: (x: number) => string): string[] {
  const rows: [string, number][] = PERCENTILES.map((p) => [
    p === 50 ? "Median " : `${p.toFixed(1).padStart(5)}% `,
    d.percentiles[String(p)],
  ]);
  return [["Maximum", d.maximum] as const, ...rows, ["Minimum", d.minimum] as const].map(
    ([what, value]) => `${`${what} ${name}`.padEnd(30)}: ${show(value)}`,
  );
}

function fields<N extends string>(name: N, { value, error }: Estimate) {
  return { [name]: value, [`${name}_error`]: error } as Record<N | `${N}_error`, number>;
}

function csv(titles: readonly string[], rows: readonly (readonly number[])[]): string {
  return [titles, ...rows].map((row) => `${row.join(",")}\n`).join("");
}

function plusMinus({ value, error }: Estimate, digits: number, width: number): string {
  return `${value.toFixed(digits).padStart(width)} ± ${error.toFixed(digits).padStart(width)}`;
}

function percent({ value, error }: Estimate, digits: number, width: number): string {
  return `${(100 * value).toFixed(digits).padStart(width)} ± ${(100 * error).toFixed(digits)} %`;
}
