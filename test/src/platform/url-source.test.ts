import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { PIECE_BYTES, urlSource } from "../../../src/platform/url-source.ts";

const bytes = Uint8Array.from(
  { length: 9 * PIECE_BYTES + 12345 },
  (_, i) => (i * 31 + (i >> 11)) & 255,
);

interface Asked {
  readonly method: string;
  /** Of the range, in pieces; -1: no range. */
  readonly piece: number;
}

/** What the server does otherwise: true, it has answered. */
type Odd = (asked: Asked, response: ServerResponse, request: IncomingMessage) => boolean;

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve({
  content = bytes,
  odd = () => false,
  delay = 0,
}: { content?: Uint8Array; odd?: Odd; delay?: number } = {}) {
  const asked: Asked[] = [];
  let open = 0,
    mostOpen = 0;
  const server = createServer((request, response) => {
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? ""),
      one = { method: request.method!, piece: range ? Number(range[1]) / PIECE_BYTES : -1 };
    asked.push(one);
    mostOpen = Math.max(mostOpen, ++open);
    response.on("close", () => open--);
    setTimeout(() => {
      if (odd(one, response, request)) return;
      if (!range)
        return void response.writeHead(200, { "content-length": content.length }).end(content);
      const [from, to] = [Number(range[1]), Math.min(Number(range[2]), content.length - 1)];
      response
        .writeHead(206, { "content-range": `bytes ${from}-${to}/${content.length}` })
        .end(content.subarray(from, to + 1));
    }, delay);
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`;
  return { url, asked, mostOpen: () => mostOpen };
}

const same = (found: Uint8Array, offset: number) =>
  Buffer.compare(found, bytes.subarray(offset, offset + found.length)) === 0;

describe("urlSource", () => {
  it("reads a file from its start to its end, every piece once, several under way", async () => {
    const { url, asked, mostOpen } = await serve({ delay: 20 }),
      source = await urlSource(url);
    expect([source.name, source.size]).toEqual([url, bytes.length]);
    for (let at = 0; at < bytes.length; at += 700_001) {
      const length = Math.min(700_001, bytes.length - at),
        found = await source.read(at, length);
      expect(found.length).toBe(length);
      expect(same(found, at), `${at}`).toBe(true);
    }
    expect(asked.map(({ piece }) => piece).sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(mostOpen()).toBeGreaterThan(2);
    expect(mostOpen()).toBeLessThan(8);
  });

  it("asks past the browser's cache", async () => {
    const asked: (string | undefined)[] = [];
    const { url } = await serve({
      odd(_, __, { headers }) {
        asked.push(headers["cache-control"]);
        return false;
      },
    });
    const source = await urlSource(url);
    await source.read(PIECE_BYTES, 1);
    // what fetch makes of "no-store"
    expect(new Set(asked)).toEqual(new Set(["no-cache"]));
  });

  it("reads ahead of nobody who jumps", async () => {
    const { url, asked } = await serve(),
      source = await urlSource(url);
    for (const piece of [7, 3, 9, 5]) {
      const at = piece * PIECE_BYTES + 17;
      expect(same(await source.read(at, 100), at)).toBe(true);
    }
    expect(asked.map(({ piece }) => piece)).toEqual([0, 7, 3, 9, 5]);
  });

  it("joins pieces, and answers reads at once, each its own", async () => {
    const { url } = await serve({ delay: 5 }),
      source = await urlSource(url);
    const reads = [
      [0, bytes.length],
      [5 * PIECE_BYTES - 1, 2],
      [PIECE_BYTES, PIECE_BYTES],
      [8 * PIECE_BYTES + 5, 2 * PIECE_BYTES - 5],
      [3, 0],
    ];
    const found = await Promise.all(
      reads.map(([at, length]) => source.read(at, Math.min(length, bytes.length - at))),
    );
    found.forEach((one, i) => {
      expect(one.length).toBe(Math.min(reads[i][1], bytes.length - reads[i][0]));
      expect(same(one, reads[i][0]), `${reads[i]}`).toBe(true);
    });
  });

  it("takes a file smaller than a piece, and one whose server ignores ranges or hides their total", async () => {
    const small = bytes.subarray(0, 1000);
    const range = (await serve({ content: small })).url;
    const whole: Odd = (_, response) => !!response.writeHead(200).end(small);
    const hidden: Odd = ({ method }, response) =>
      method === "HEAD"
        ? !!response.writeHead(200, { "content-length": small.length }).end()
        : !!response.writeHead(206).end(small);
    for (const url of [
      range,
      (await serve({ odd: whole })).url,
      (await serve({ odd: hidden })).url,
    ]) {
      const source = await urlSource(url);
      expect(source.size).toBe(1000);
      expect(same(await source.read(10, 990), 10)).toBe(true);
    }
  });

  it("asks again for what did not come", async () => {
    const failures = new Map([
      [2, 2],
      [3, 1],
      [4, 1],
    ]);
    const odd: Odd = ({ piece }, response, request) => {
      const left = failures.get(piece) ?? 0;
      failures.set(piece, left - 1);
      if (left <= 0) return false;
      if (piece === 2) return !!response.writeHead(503).end();
      if (piece === 3) return !!request.socket.destroy();
      response
        .writeHead(206, { "content-range": `bytes 0-9/${bytes.length}`, "content-length": 100 })
        .write("cut");
      return !!setTimeout(() => request.socket.destroy(), 20);
    };
    const { url, asked } = await serve({ odd }),
      source = await urlSource(url);
    expect(same(await source.read(0, bytes.length), 0)).toBe(true);
    expect(asked.length).toBe(10 + 4);
  });

  it.each([
    ["no file", { piece: 0, status: 404 }, /m.gguf: expected a file, found status 404$/],
    [
      "no size",
      { piece: 0, status: 206 },
      /m.gguf: expected the file's size, found none; let pages see the header content-range/,
    ],
    [
      "a piece that is refused",
      { piece: 1, status: 403 },
      /expected a range of the file of 37761081 bytes, found status 403; check/,
    ],
    [
      "a server that stops to know ranges",
      { piece: 1, status: 200 },
      /found status 200; check whether the server allows range requests/,
    ],
    [
      "another file in between",
      { piece: 1, status: 206, total: 99 },
      /found another file of 99; load it again/,
    ],
  ] as const)("says what is wrong: %s", async (_, { piece, status, ...more }, message) => {
    const odd: Odd = (one, response) => {
      if (one.method === "HEAD") return !!response.writeHead(404).end();
      if (one.piece !== piece) return false;
      const range = "total" in more ? { "content-range": `bytes 1-2/${more.total}` } : {};
      return !!response.writeHead(status, range).end("no");
    };
    const { url } = await serve({ odd });
    await expect(urlSource(url).then((source) => source.read(0, source.size))).rejects.toThrow(
      message,
    );
  });

  it("says what is wrong: a connection that breaks again and again", async () => {
    const odd: Odd = ({ piece }, _, request) => piece === 1 && !!request.socket.destroy();
    const { url, asked } = await serve({ odd }),
      source = await urlSource(url);
    await expect(source.read(PIECE_BYTES, 10)).rejects.toThrow(
      /m.gguf: expected 4194304 bytes at 4194304, found .*, 4 times; load it again$/,
    );
    expect(asked.filter(({ piece }) => piece === 1).length).toBe(4);
  });

  it("says what is wrong: no server", async () => {
    await expect(urlSource("http://127.0.0.1:9/m.gguf")).rejects.toThrow(
      /^http:.*m.gguf: expected an answer, found .*; check the address, and whether/,
    );
  });

  it("gives up what is under way when it is closed", async () => {
    let closed = 0;
    const { url } = await serve({
      odd({ piece }, response) {
        if (piece === 0) return false;
        response.on("close", () => closed++);
        return true; // never answers
      },
    });
    const source = await urlSource(url),
      read = Promise.resolve(source.read(PIECE_BYTES, 10));
    const refused = expect(read).rejects.toThrow(/abort/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await source.close!();
    await refused;
    await expect.poll(() => closed).toBeGreaterThan(0);
  });
});
