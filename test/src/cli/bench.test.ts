import { describe, expect, it } from "vitest";
import { fixture, samebit } from "./command.ts";

const model = ["-m", fixture("zoo/llama-q4_0.gguf"), "-t", "2", "-r", "2"];

describe("samebit bench", () => {
  it("notes an ignored option once, though it opens the file twice", async () => {
    const { code, stderr } = await samebit("bench", ...model, "-p", "4", "-n", "0", "-ngl", "99");
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^samebit: note: --n-gpu-layers[^\n]*\n$/),
    ]);
  });

  it("reports both measures as JSON", async () => {
    const { code, stdout, stderr } = await samebit(
      "bench",
      ...model,
      "-p",
      "16",
      "-n",
      "4",
      "--json",
    );
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    const speed = {
      tokens_per_second: expect.any(Number),
      samples: [expect.any(Number), expect.any(Number)],
    };
    expect(report).toMatchObject({
      pp: { n: 16, ...speed },
      tg: { n: 4, ...speed },
      threads: 2,
      runtime: expect.stringContaining(process.versions.node),
      kernel_build: expect.stringMatching(/^(dot32|rel16|base)$/),
      load_seconds: expect.any(Number),
      model: { architecture: "llama", main_type: expect.any(String) },
    });
    const { samples, tokens_per_second } = report.pp as {
      samples: number[];
      tokens_per_second: number;
    };
    expect(tokens_per_second).toBeCloseTo((samples[0] + samples[1]) / 2, 6);
    expect(samples[0]).toBeGreaterThan(0);
    expect(report.rss_bytes).toBeGreaterThan(1e6);
  });

  it("leaves out what is not asked for", async () => {
    const { code, stdout } = await samebit("bench", ...model, "-p", "0", "-n", "3");
    expect(code).toBe(0);
    expect(stdout).toMatch(/\ntg 3 .*tokens\/s\n/);
    expect(stdout).not.toContain("pp ");
  });
});
