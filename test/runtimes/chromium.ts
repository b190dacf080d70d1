// Pages in Debian's Chromium: a server for a folder and a browser to open it with.

import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";

const playwright = resolve(import.meta.dirname, "node_modules/playwright-core/index.mjs");
/** Needs /usr/bin/chromium (Debian's package) and `node test/runtimes/install.mjs`. */
export const hasChromium = existsSync("/usr/bin/chromium") && existsSync(playwright);
if (!hasChromium) console.warn("SKIPPED: chromium or playwright-core is absent; install Debian's chromium and run node test/runtimes/install.mjs");

const TYPES: Record<string, string> = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

/** What makes a page cross-origin isolated. */
export const ISOLATION = {
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-opener-policy": "same-origin",
};

/** Serves a folder with more headers; / is an empty page. `change`: what to make of a script. Gives its address, with a / at the end. */
export async function serveFolder(root: string, headers: Record<string, string>, change = (script: string) => script): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => void answer(root, headers, change, request, response).catch(() => response.writeHead(500).end()));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { server, origin: `http://localhost:${(server.address() as AddressInfo).port}/` };
}

async function answer(root: string, more: Record<string, string>, change: (script: string) => string, request: IncomingMessage, response: ServerResponse): Promise<void> {
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
  if (path.endsWith(".js")) body = change(body.toString());
  response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(body) }).end(request.method === "HEAD" ? undefined : body);
}

// eslint-disable-next-line typescript/no-explicit-any -- the package is installed by a script, its types are not here
export async function launchChromium(): Promise<any> {
  const { chromium } = await import(playwright);
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}
