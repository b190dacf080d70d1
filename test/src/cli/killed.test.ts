// Whatever a command writes, a kill at any moment leaves what was there before, or the whole new file. Each command is killed
// at random moments of its run; a failure names the moment.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { EMBEDDED } from "../../built.ts";
import { TEXT } from "../tools/tiny-corpus.ts";
import { outcome, start } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-killed-"));
afterAll(() => rmSync(folder, { recursive: true }));
const text = join(folder, "text");
writeFileSync(text, TEXT);

const KILLS = 3;
const EARLIER = "earlier";
const SMALL = ["-c", "33", "-f", text, "-t", "1"];

/** What writes `target`, and always the same bytes. */
const COMMANDS: Record<string, (target: string) => string[]> = {
  imatrix: (target) => ["imatrix", ...SMALL, "--output-frequency", "100", "-o", target],
  "perplexity --kl-divergence-base": (target) => [
    ...["perplexity", ...SMALL, "--kl-divergence-base", target],
  ],
  "perplexity --csv": (target) => ["perplexity", ...SMALL, "--csv", target],
  compare: (target) => [
    ...["compare", EMBEDDED, EMBEDDED, ...SMALL, "--chunks", "2", "--no-speed", "-o", target],
  ],
  quantize: (target) => ["quantize", EMBEDDED, target, "Q2_K", "1", "--allow-requantize"],
};

describe.each(Object.entries(COMMANDS))("samebit %s", (name, command) => {
  it("loses nothing when it is killed", async () => {
    const target = join(folder, name.replaceAll(" ", ""));
    writeFileSync(target, EARLIER);
    let duration = await timed(target, command);
    const whole = readFileSync(target);
    expect(whole.toString()).not.toBe(EARLIER);
    let killed = 0;
    for (let tries = 0; killed < KILLS; tries++) {
      expect(tries, "runs for a few kills").toBeLessThan(10 * KILLS);
      writeFileSync(target, EARLIER);
      const delay = duration * Math.random(),
        child = start(...command(target));
      const timer = setTimeout(() => child.kill("SIGKILL"), delay);
      const { code } = await outcome(child);
      clearTimeout(timer);
      const left = readFileSync(target);
      const found = left.equals(whole) ? "whole" : left.toString("utf8", 0, 20);
      expect([EARLIER, "whole"], `killed after ${delay} of ${duration} ms`).toContain(found);
      if (code === null) killed++;
      else {
        expect(found).toBe("whole");
        duration = delay; // the run ended sooner: the machine has become faster
      }
    }
  });
});

async function timed(target: string, command: (target: string) => string[]): Promise<number> {
  const begun = performance.now();
  expect((await outcome(start(...command(target)))).code).toBe(0);
  return performance.now() - begun;
}
