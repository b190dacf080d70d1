// The bit contract on other runtimes and processors: Node 24, Deno, Bun, the oldest of each that may run this, and arm64 under
// emulation, all builds.
// `node test/runtimes/install.mjs` puts them here; where they are absent the tests are skipped.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { EMBEDDED } from "../built.ts";
import { goldenCases, readGolden } from "../golden/cases.ts";
import { TEXT } from "../src/tools/tiny-corpus.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const modules = here("node_modules");

const RUNTIMES = [
  { name: "node 20 (this one)", needs: process.execPath, command: [process.execPath], relaxed: Number.parseInt(process.versions.v8, 10) >= 12 },
  { name: "node 24", needs: `${modules}/node24/bin/node`, command: [`${modules}/node24/bin/node`], relaxed: true },
  { name: "deno", needs: `${modules}/deno/deno`, command: [`${modules}/deno/deno`, "run", "-A"], relaxed: true },
  { name: "bun", needs: `${modules}/bun/bin/bun`, command: [`${modules}/bun/bin/bun`], relaxed: true },
  { name: "node 20.16", needs: `${modules}/oldestNode/bin/node`, command: [`${modules}/oldestNode/bin/node`], relaxed: false },
  { name: "deno 2.1", needs: `${modules}/oldestDeno/deno`, command: [`${modules}/oldestDeno/deno`, "run", "-A"], relaxed: true },
  { name: "bun 1.2.10", needs: `${modules}/oldestBun/bin/bun`, command: [`${modules}/oldestBun/bin/bun`], relaxed: false },
  {
    name: "arm64 node 24", needs: here("arm64/done"), relaxed: true,
    command: [here("arm64/host/usr/bin/qemu-aarch64-static"), "-L", here("arm64/root"), `${modules}/nodeArm64/bin/node`],
  },
] as const;

const check = here("../golden/check.mjs");

/** What a command writes into `target`, and the sha256 of that; `text` is the tiny corpus. */
const WRITTEN: Record<string, { sha256: string; command: (target: string, text: string) => string[] }> = {
  "quantises": {
    sha256: "24eb7df52364aed479594d38d437d099ea26e065b2a175347b6f09ea7dc9cc20",
    command: (target) => ["quantize", EMBEDDED, target, "Q5_0", "3", "--allow-requantize"],
  },
  "collects an importance matrix": {
    sha256: "321bb5626ea48eb9b0ddd7ce1e6009c9b50c0e45e5cd2f55d14af525cc167dd1",
    command: (target, text) => ["imatrix", "-f", text, "-c", "33", "-t", "2", "--output-format", "dat", "-o", target],
  },
  "writes log-probabilities": {
    sha256: "104be801f1c6bb3c769b2381e66e9ec8f780a3b88d5c6df8ec3df81cf4317bf7",
    command: (target, text) => ["perplexity", "-f", text, "-c", "33", "-t", "2", "--kl-divergence-base", target],
  },
};

function run(command: readonly string[], config: unknown): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], [...command.slice(1), check, JSON.stringify(config)], { stdio: ["ignore", "pipe", "pipe"], timeout: 110_000, killSignal: "SIGKILL" });
    let out = "", err = "";
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve(out.trim().split("\n").map((line) => JSON.parse(line))) : reject(new Error(`exit ${code}: ${err || out}`)));
  });
}

describe("runtimes", () => {
  const golden = readGolden();
  for (const { name, needs, command, relaxed } of RUNTIMES) {
    const present = existsSync(needs);
    if (!present) console.warn(`SKIPPED: ${name} is absent; run node test/runtimes/install.mjs to compare it`);
    const arm = name.startsWith("arm64"),
      brief = arm || /oldest/.test(needs);

    it.skipIf(!present)(`${name} gives the committed hashes`, async () => {
      // emulation is slow, and what is special about old versions is how threads start: the embedded model alone
      const cases = goldenCases().filter((c) => !brief || c.name === "embedded");
      const builds = relaxed ? ["dot32", "rel16", "base"] : ["base"];
      const [embedded, ...others] = cases;
      const found = [
        ...(await run(command, { cases: [embedded], variants: [...builds.map((kernelBuild) => ({ kernelBuild, threads: 2 })), { threads: 3, nBatch: 7 }, { threads: 2, bankBytes: 900_000 }, ...builds.map((kernelBuild) => ({ kernelBuild, inline: true })), { inline: true, bankBytes: 900_000, nBatch: 7 }] })),
        ...(others.length > 0 ? await run(command, { cases: others, variants: builds.map((kernelBuild) => ({ kernelBuild, threads: 2 })) }) : []),
      ];
      const wrong = found.filter((line) => "sha256" in line && line.sha256 !== golden.models[line.name as string]);
      expect(wrong).toEqual([]);
      expect(found.filter((line) => "sha256" in line).length).toBe(2 * builds.length + 3 + others.length * builds.length);
      const about = found.filter((line) => line.name === "runtime");
      expect(about.every((line) => line.unicode === golden.unicode)).toBe(true);
      if (arm) expect(about[0].arch).toBe("arm64");
    });

    if (brief) continue;
    it.skipIf(!present).each(Object.entries(WRITTEN))(`${name} %s to the same bytes`, (_, { sha256, command: written }) => {
      const folder = mkdtempSync(join(tmpdir(), "samebit-runtimes-")), target = join(folder, "out"), text = join(folder, "text");
      try {
        writeFileSync(text, TEXT);
        const args = [...command.slice(1), here("../../dist/src/cli/main.js"), ...written(target, "text")];
        const { status, stderr } = spawnSync(command[0], args, { cwd: folder, encoding: "utf8" });
        expect([status, stderr]).toEqual([0, ""]);
        expect(createHash("sha256").update(readFileSync(target)).digest("hex")).toBe(sha256);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});
