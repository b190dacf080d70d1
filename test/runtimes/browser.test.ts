// The bit contract in a browser: Chromium, a cross-origin isolated page, the built package as it is. Needs
// /usr/bin/chromium (Debian's package) and `node test/runtimes/install.mjs`; skipped where they are absent.

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

/** Serves the project's folder. A bundler would resolve the one bare import; here its path is put in. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost"), isolated = !url.searchParams.has("plain");
  const headers: Record<string, string> = { "content-type": TYPES[url.pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream" };
  headers["cross-origin-resource-policy"] = "same-origin";
  headers["cross-origin-embedder-policy"] = "require-corp";
  if (isolated) headers["cross-origin-opener-policy"] = "same-origin";
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
  let server: Server, origin: string;
  // eslint-disable-next-line typescript/no-explicit-any -- the package is installed by a script, its types are not here
  let browser: any;
  beforeAll(async () => {
    server = createServer((request, response) => void serve(request, response).catch(() => response.writeHead(500).end()));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    const { chromium } = await import(playwright);
    browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it("gives the committed hash in every build", async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/`);
    const { tokens, nCtx } = EMBEDDED_CASE;
    // a string: the test runner would rewrite the import of a function
    const found = await page.evaluate(`import("/test/runtimes/page.js").then((page) => page.hashes(${JSON.stringify(tokens)}, ${nCtx}))`);
    const golden = readGolden().models.embedded;
    expect(found).toEqual({ chosen: golden, dot32: golden, rel16: golden, base: golden });
    await page.close();
  });

  it("says what a page without isolation lacks", async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/?plain`);
    const message = await page.evaluate(`import("/test/runtimes/page.js").then((page) => page.outcome())`);
    expect(message).toMatch(/Cross-Origin-Opener-Policy/);
    await page.close();
  });
});
