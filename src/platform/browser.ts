// Browsers and web workers. Threads need shared memory, which browsers give only to cross-origin isolated pages
// (COOP and COEP headers); without it the calling thread computes (threads/inline-pool.ts).

import { SamebitError } from "../errors.ts";
import type { Platform, WorkerPort } from "./platform.ts";
import { urlSource } from "./url-source.ts";

export const browserPlatform: Platform = {
  runtime: typeof navigator === "undefined" ? "browser" : navigator.userAgent,
  availableParallelism: () =>
    typeof navigator === "undefined" ? 1 : navigator.hardwareConcurrency || 1,

  threadsLack() {
    const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
    if (crossOriginIsolated === false) {
      return (
        "a page that is cross-origin isolated: serve it with Cross-Origin-Opener-Policy: same-origin and " +
        "Cross-Origin-Embedder-Policy: require-corp"
      );
    }
    if (typeof SharedArrayBuffer === "undefined")
      return "shared memory, which this browser does not have";
    // service workers, for one, can start none
    return typeof Worker === "undefined" ? "workers, which cannot be started here" : undefined;
  },

  turn: () =>
    new Promise((resolve) => {
      // timers would do, but browsers make them wait 4 ms, and a second where the page is not seen
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    }),

  async readAsset(url) {
    const response = await fetch(url);
    if (!response.ok) throw new SamebitError(`status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },

  workerPort(): WorkerPort {
    const scope = globalThis as unknown as Worker;
    return {
      post: (message) => scope.postMessage(message),
      onMessage: (handler) =>
        scope.addEventListener("message", (event) => handler((event as MessageEvent).data)),
    };
  },

  openFile: urlSource,

  async sha256(parts) {
    // Web Crypto hashes one buffer at a time: collect
    const chunks: Uint8Array[] = [];
    for await (const part of parts) chunks.push(part.slice());
    const bytes = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
  },
};
