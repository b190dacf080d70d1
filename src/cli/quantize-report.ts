// What samebit quantize says at its end: JSON for programs, a few lines for people, and in a dry run every tensor.

import { basename } from "node:path";
import { countWeights, type TypeName } from "../../formats/index.ts";
import type { PlannedTensor } from "../tools/quantize/plan.ts";

const MIB = 1024 * 1024;

export interface QuantizeReport {
  readonly type: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly weights: number;
  /** Of tensor data. */
  readonly bytesBefore: number;
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** Of types chosen for a target: noise in the residual stream, as a share of its energy. */
  readonly expectedError?: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly from: TypeName;
    readonly to: TypeName;
    /** Asked for, where it did not fit. */
    readonly wanted?: TypeName;
    /** Whether importance weights were used. */
    readonly imatrix: boolean;
    readonly bytes: number;
  }[];
}

export function quantizeReport(
  plan: readonly PlannedTensor[],
  type: string,
  files: readonly { readonly path: string; readonly bytes: number }[],
  expectedError?: number,
): QuantizeReport {
  const sum = (of: (tensor: PlannedTensor) => number) => plan.reduce((n, one) => n + of(one), 0);
  const bytes = sum((one) => one.bytes),
    weights = sum(({ source }) => countWeights(source.shape));
  return {
    type,
    files,
    weights,
    bytesBefore: sum(({ source }) => source.bytes),
    bytes,
    bitsPerWeight: (bytes * 8) / weights,
    expectedError,
    tensors: plan.map(({ source, type: to, wanted, importance, bytes: size }) => ({
      name: source.name,
      shape: source.shape,
      from: source.type.name,
      to: to.name,
      wanted,
      imatrix: importance !== undefined && to !== source.type,
      bytes: size,
    })),
  };
}

const mib = (bytes: number) => `${(bytes / MIB).toFixed(2)} MiB`;

/** A line for every tensor. */
export function planTable(plan: readonly PlannedTensor[]): string {
  const rows = plan.map(({ source, type, bytes }) => [
    source.name,
    source.shape.join(" x "),
    source.type.name,
    type === source.type ? "" : `-> ${type.name}`,
    mib(source.bytes),
    type === source.type ? "" : `-> ${mib(bytes)}`,
  ]);
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...rows.map((row) => row[i].length)));
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => (i === 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i] ?? 0)));
  return rows.map((row) => `${cells(row).join("  ").trimEnd()}\n`).join("");
}

export function summary(report: QuantizeReport, dryRun: boolean): string {
  const { files, weights, bytesBefore, bytes, bitsPerWeight, expectedError } = report;
  const before = `${mib(bytesBefore)} (${((bytesBefore * 8) / weights).toFixed(2)} bits a weight)`;
  const lines = [`tensors: ${before} -> ${mib(bytes)} (${bitsPerWeight.toFixed(2)})`];
  if (expectedError !== undefined)
    lines.push(`expected error: ${expectedError.toPrecision(3)} of the residual stream's energy`);
  for (const file of files)
    lines.push(
      dryRun
        ? `${basename(file.path)}: ${file.bytes} bytes (not written)`
        : `${file.path}: ${file.bytes} bytes`,
    );
  return `${lines.join("\n")}\n`;
}
