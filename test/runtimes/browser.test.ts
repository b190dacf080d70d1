// The bit contract in a browser: Chromium, pages that are cross-origin isolated and pages that are not, the built package as
// it is. Needs /usr/bin/chromium (Debian's package) and `node test/runtimes/install.mjs`; skipped where they are absent.

import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMBEDDED_CASE, readGolden } from "../golden/cases.ts";

const root = resolve(import.meta.dirname, "../..");
const playwright = resolve(import.meta.dirname, "node_modules/playwright-core/index.mjs");
const present = existsSync("/usr/bin/chromium") && existsSync(playwright);
if (!present) console.warn("SKIPPED: chromium or playwright-core is absent; install Debian's chromium and run node test/runtimes/install.mjs");

const TYPES: Record<string, string> = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

const ISOLATION = {
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-opener-policy": "same-origin",
};

/** Serves the project's folder with more headers. A bundler would resolve the one bare import; here its path is put in. */
async function serve(more: Record<string, string>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const headers = { "content-type": TYPES[url.pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream", ...more };
  if (url.pathname === "/") return void response.writeHead(200, { ...headers, "content-type": "text/html" }).end("<title>samebit</title>");
  const path = resolve(root, `.${decodeURIComponent(url.pathname)}`);
  if (!path.startsWith(root) || !existsSync(path)) return void response.writeHead(404).end();
  const size = (await stat(path)).size, range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
  if (range) {
    const bytes = (await readFile(path)).subarray(Number(range[1]), Number(range[2]) + 1);
    return void response.writeHead(206, { ...headers, "content-range": `bytes ${range[1]}-${range[2]}/${size}` }).end(bytes);
  }
  let body: Buffer | string = await readFile(path);
  if (path.endsWith(".js")) body = body.toString().replaceAll('"@assemblyscript/loader"', '"/node_modules/@assemblyscript/loader/index.js"');
  response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(body) }).end(request.method === "HEAD" ? undefined : body);
}

describe.skipIf(!present)("chromium", () => {
  const servers: Server[] = [], origins = { isolated: "", plain: "" };
  // eslint-disable-next-line typescript/no-explicit-any -- the package is installed by a script, its types are not here
  let browser: any;
  beforeAll(async () => {
    for (const [kind, headers] of [["isolated", ISOLATION], ["plain", {}]] as const) {
      const server = createServer((request, response) => void serve(headers, request, response).catch(() => response.writeHead(500).end()));
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      origins[kind] = `http://localhost:${(server.address() as AddressInfo).port}/`;
      servers.push(server);
    }
    const { chromium } = await import(playwright);
    browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
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
