// The bit contract in browsers: Chromium, pages that are cross-origin isolated and pages that are not, and Firefox; the built package
// as it is. Skipped where there is no browser.

import type { Server } from "node:http";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMBEDDED_CASE, readGolden } from "../golden/cases.ts";
import { hasChromium, hasFirefox, inFirefox, ISOLATION, launchChromium, serveFolder } from "./browsers.ts";

const root = resolve(import.meta.dirname, "../..");

/** A bundler would resolve the one bare import; here its path is put in. */
const resolved = (script: string) => script.replaceAll('"@assemblyscript/loader"', '"/node_modules/@assemblyscript/loader/index.js"');

const { tokens, nCtx } = EMBEDDED_CASE, { models: { embedded: golden }, unicode } = readGolden();
const hashes = { chosen: golden, dot32: golden, rel16: golden, base: golden };

describe.skipIf(!hasChromium)("chromium", () => {
  const servers: Server[] = [], origins = { isolated: "", plain: "" };
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    for (const [kind, headers] of [["isolated", ISOLATION], ["plain", {}]] as const) {
      const { server, origin } = await serveFolder(root, { headers, change: resolved });
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

  it("reads text by our Unicode tables", async () => {
    expect(await inPage("isolated", "page.unicode()")).toBe(unicode);
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

describe.skipIf(!hasFirefox)("firefox", () => {
  it("gives the committed hash in every build, by two threads and by its own, and our Unicode tables", async (context) => {
    const ask = (options: object) => `page.hashes(${JSON.stringify(tokens)}, ${nCtx}, ${JSON.stringify(options)})`;
    const found = await inFirefox(root, `import("/test/runtimes/page.js").then(async (page) => [await ${ask({ threads: 2 })}, await ${ask({ inline: true })}, page.unicode()])`, resolved);
    if (found === undefined) console.warn("SKIPPED: firefox opens no page here");
    context.skip(found === undefined);
    expect(found).toEqual([{ inline: false, threads: 2, hashes }, { inline: true, threads: 1, hashes }, unicode]);
  });
});
