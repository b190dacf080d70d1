// The bit contract in a browser: Chromium, pages that are cross-origin isolated and pages that are not, the built package as
// it is. Skipped where there is no browser.

import type { Server } from "node:http";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMBEDDED_CASE, readGolden } from "../golden/cases.ts";
import { hasChromium, ISOLATION, launchChromium, serveFolder } from "./chromium.ts";

const root = resolve(import.meta.dirname, "../..");

/** A bundler would resolve the one bare import; here its path is put in. */
const resolved = (script: string) => script.replaceAll('"@assemblyscript/loader"', '"/node_modules/@assemblyscript/loader/index.js"');

describe.skipIf(!hasChromium)("chromium", () => {
  const servers: Server[] = [], origins = { isolated: "", plain: "" };
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    for (const [kind, headers] of [["isolated", ISOLATION], ["plain", {}]] as const) {
      const { server, origin } = await serveFolder(root, headers, resolved);
      origins[kind] = origin;
      servers.push(server);
    }
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    for (const server of servers) server.close();
  });

  /** What `expression` gives, with `page` for page.js; a string: the test runner would rewrite the import of a function. */
  async function inPage(kind: keyof typeof origins, expression: string): Promise<unknown> {
    const page = await browser.newPage();
    try {
      await page.goto(origins[kind]);
      return await page.evaluate(`import("/test/runtimes/page.js").then((page) => ${expression})`);
    } finally {
      await page.close();
    }
  }

  const { tokens, nCtx } = EMBEDDED_CASE, golden = readGolden().models.embedded;
  const hashes = { chosen: golden, dot32: golden, rel16: golden, base: golden };

  it.each([
    ["an isolated page, by two threads", "isolated", { threads: 2 }, { inline: false, threads: 2 }],
    ["an isolated page, by its own thread", "isolated", { inline: true }, { inline: true, threads: 1 }],
    ["a page without isolation", "plain", {}, { inline: true, threads: 1 }],
    ["a page without isolation, from a Blob", "plain", { blob: true }, { inline: true, threads: 1 }],
    ["a worker of such a page", "plain", { worker: true }, { inline: true, threads: 1 }],
  ] as const)("gives the committed hash in every build in %s", async (_, kind, options, mode) => {
    const found = await inPage(kind, `page.hashes(${JSON.stringify(tokens)}, ${nCtx}, ${JSON.stringify(options)})`);
    expect(found).toEqual({ ...mode, hashes });
  });

  it("draws a page without isolation while the model computes", async () => {
    expect(await inPage("plain", "page.framesMeanwhile()")).toBeGreaterThan(3);
  });

  it.each([
    [{ threads: 2 }, /^threads: expected 1, found 2; threads need a page that is cross-origin isolated: .*Cross-Origin-Opener-Policy/],
    [{ inline: false }, /^inline: expected true, found false; threads need .*Cross-Origin-Opener-Policy/],
  ])("says what a page without isolation lacks for %j", async (options, message) => {
    expect(await inPage("plain", `page.outcome(${JSON.stringify(options)})`)).toMatch(message);
  });
});
