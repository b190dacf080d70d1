// Pages in Debian's browsers: a server for a folder, and what opens it.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

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

interface ServeOptions {
  readonly headers?: Record<string, string>;
  /** What to make of a script. */
  readonly change?: (script: string) => string;
  /** What / is; an empty page without it. */
  readonly page?: string;
  /** / was asked for. */
  readonly onOpen?: () => void;
  /** Hears what pages post. */
  readonly onPost?: (body: string) => void;
}

/** Serves a folder. Gives its address, with a / at the end. */
export async function serveFolder(root: string, options: ServeOptions): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => void answer(root, options, request, response).catch(() => response.writeHead(500).end()));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { server, origin: `http://localhost:${(server.address() as AddressInfo).port}/` };
}

async function answer(root: string, { headers: more, change, page, onOpen, onPost }: ServeOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const headers = { "content-type": TYPES[url.pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream", ...more };
  if (url.pathname === "/") {
    onOpen?.();
    return void response.writeHead(200, { ...headers, "content-type": "text/html" }).end(page ?? "<title>samebit</title>");
  }
  if (request.method === "POST") {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    onPost?.(Buffer.concat(parts).toString());
    return void response.writeHead(204, headers).end();
  }
  const path = resolve(root, `.${decodeURIComponent(url.pathname)}`);
  if (!path.startsWith(root) || !existsSync(path)) return void response.writeHead(404).end();
  const size = (await stat(path)).size, range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
  if (range) {
    const bytes = (await readFile(path)).subarray(Number(range[1]), Number(range[2]) + 1);
    return void response.writeHead(206, { ...headers, "content-range": `bytes ${range[1]}-${range[2]}/${size}` }).end(bytes);
  }
  let body: Buffer | string = await readFile(path);
  if (path.endsWith(".js")) body = change?.(body.toString()) ?? body;
  response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(body) }).end(request.method === "HEAD" ? undefined : body);
}

export const hasFirefox = existsSync("/usr/bin/firefox-esr");
if (!hasFirefox) console.warn("SKIPPED: firefox is absent; install Debian's firefox-esr");

/** How long Firefox may take to open a page. */
const START_MS = 60_000;

/**
 * What `expression`, a promise in a module script, gives as JSON in a cross-origin isolated page of a folder in Firefox; undefined
 * where Firefox opens no page (it has no driver here that would say why).
 */
export async function inFirefox(root: string, expression: string, change?: (script: string) => string): Promise<unknown> {
  const profile = mkdtempSync(join(tmpdir(), "samebit-firefox-"));
  const page = `<!doctype html><meta charset="utf-8"><script type="module">
    const found = await Promise.resolve().then(() => ${expression}).catch((error) => ({ error: String(error) }));
    await fetch("/found", { method: "POST", body: JSON.stringify(found) });
  </script>`;
  let told!: (body: string) => void, opened!: () => void;
  const body = new Promise<string>((resolve) => (told = resolve)), open = new Promise<void>((resolve) => (opened = resolve));
  const { server, origin } = await serveFolder(root, { headers: ISOLATION, change, page, onOpen: opened, onPost: told });
  const firefox = spawn("/usr/bin/firefox-esr", ["--headless", "--no-remote", "--profile", profile, origin], { env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: "1" }, stdio: "ignore" });
  const ended = new Promise<void>((resolve) => firefox.once("close", () => resolve()));
  let timer!: ReturnType<typeof setTimeout>;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, START_MS)));
  try {
    if ((await Promise.race([open.then(() => "open"), late, ended])) !== "open") return undefined;
    return JSON.parse(await Promise.race([body, ended.then(() => { throw new Error("firefox: expected what the page found, found it ended"); })]));
  } finally {
    clearTimeout(timer);
    firefox.kill("SIGKILL");
    await ended;
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

// eslint-disable-next-line typescript/no-explicit-any -- the package is installed by a script, its types are not here
export async function launchChromium(): Promise<any> {
  const { chromium } = await import(playwright);
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}
