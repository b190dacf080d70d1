import { describe, expect, it } from "vitest";
import { Company } from "../../../src/threads/company.ts";

/** Runs a number of times; gives how many of the runs were done alone. */
function run(company: Company, times: number, of: (alone: boolean) => [number, number]): number {
  let alone = 0;
  for (let i = 0; i < times; i++) {
    if (company.isAlone) alone++;
    company.record(...of(company.isAlone));
  }
  return alone;
}

describe("Company", () => {
  it("tries nothing while threads do not sleep at barriers", () => {
    expect(run(new Company(), 500, (alone) => [alone ? 1 : 5, 0])).toBe(0);
  });

  it("goes alone where that is clearly faster, and looks again", () => {
    const company = new Company(),
      busy = (alone: boolean): [number, number] => (alone ? [6, 0] : [9, 3]);
    expect(run(company, 8, busy)).toBe(0);
    expect(run(company, 4 + 64, busy)).toBe(68);
    expect(run(company, 8, busy)).toBe(0);
    expect(run(company, 4 + 128, busy)).toBe(132); // the same again is kept for longer
    expect(run(company, 8, busy)).toBe(0);
  });

  it("comes back when the other process has ended", () => {
    const company = new Company();
    run(company, 20, (alone) => (alone ? [6, 0] : [9, 3]));
    expect(company.isAlone).toBe(true);
    run(company, 64, () => [6, 0]);
    expect(run(company, 200, (alone) => (alone ? [6, 0] : [4, 0]))).toBe(0);
  });

  it("stays in company where one thread is no faster, and rarely tries", () => {
    const alone = run(new Company(), 1000, (isAlone) => (isAlone ? [10, 0] : [9, 3]));
    expect(alone).toBeGreaterThan(0);
    expect(alone).toBeLessThan(1000 / 15);
  });
});
