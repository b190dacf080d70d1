// A file on a server, for browsers. Every request costs the way there and back, so reads go through pieces of 4 MiB, and while they
// follow each other the pieces to come are under way already.

import { blobSource, type Source } from "../../formats/source.ts";
import { SamebitError } from "../errors.ts";

export const PIECE_BYTES = 4 << 20;
/** Pieces under way beyond the one that is read, at most. Browsers have six connections to a server. */
const MOST_AHEAD = 6;
/** Requests for a piece before its failure is the reader's; the wait before the second one, which doubles. */
const TRIES = 4,
  PAUSE_MS = 250;

/**
 * A server that ignores ranges sends the whole file, which is kept as a Blob. Throws SamebitError where there is no file, its
 * size is not told, or a piece of it does not come.
 */
export async function urlSource(url: string): Promise<Source> {
  const controller = new AbortController();
  let first: Response;
  try {
    first = await fetchRange(url, 0, PIECE_BYTES, controller.signal);
  } catch (cause) {
    throw new SamebitError(
      `${url}: expected an answer, found ${(cause as Error).message}; check the address, and whether the server lets this page read it (CORS)`,
      { cause },
    );
  }
  if (first.status === 200) return blobSource(url, await first.blob());
  if (first.status !== 206)
    throw new SamebitError(`${url}: expected a file, found status ${first.status}`);
  const size = sizeOf(first) ?? (await sizeByHead(url));
  if (!(size > 0))
    throw new SamebitError(
      `${url}: expected the file's size, found none; let pages see the header content-range (Access-Control-Expose-Headers), or pass a Blob`,
    );
  const pieces = new Pieces(url, size, { response: first, controller });
  return {
    name: url,
    size,
    read: (offset, length) => pieces.read(offset, length),
    close: () => pieces.close(),
  };
}

interface Piece {
  readonly bytes: Promise<Uint8Array>;
  readonly controller: AbortController;
  /** Reads that wait for it. */
  readers: number;
}

class Pieces {
  private readonly pieces = new Map<number, Piece>();
  /** The last piece that was asked for, and how many are under way beyond it. */
  private last = 0;
  private ahead = 0;

  constructor(
    private readonly url: string,
    private readonly size: number,
    first: { readonly response: Response; readonly controller: AbortController },
  ) {
    this.start(0, first.controller, first.response);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0);
    const from = Math.floor(offset / PIECE_BYTES),
      to = Math.floor((offset + length - 1) / PIECE_BYTES);
    this.plan(from, to);
    const wanted = Array.from({ length: to - from + 1 }, (_, i) => this.pieces.get(from + i)!);
    for (const piece of wanted) piece.readers++;
    try {
      const parts = await Promise.all(wanted.map(({ bytes }) => bytes));
      return joined(parts, offset - from * PIECE_BYTES, length);
    } finally {
      for (const piece of wanted) piece.readers--;
    }
  }

  close(): void {
    for (const { controller } of this.pieces.values()) controller.abort();
    this.pieces.clear();
  }

  /** Starts what is needed now and soon, and drops the rest. */
  private plan(from: number, to: number): void {
    const follows = from === this.last || from === this.last + 1;
    if (!follows) this.ahead = 0;
    else if (to > this.last) this.ahead = Math.min(MOST_AHEAD, Math.max(1, 2 * this.ahead));
    this.last = to;
    const end = Math.min(to + this.ahead, Math.ceil(this.size / PIECE_BYTES) - 1);
    for (const [index, { controller, readers }] of this.pieces) {
      if ((index >= from && index <= end) || readers > 0) continue;
      controller.abort();
      this.pieces.delete(index);
    }
    for (let index = from; index <= end; index++)
      if (!this.pieces.has(index)) this.start(index, new AbortController());
  }

  private start(index: number, controller: AbortController, response?: Response): void {
    const bytes = this.fetch(index, controller.signal, response),
      piece = { bytes, controller, readers: 0 };
    this.pieces.set(index, piece);
    // whoever reads it hears of the failure; the next one tries again
    bytes.catch(() => this.pieces.get(index) === piece && this.pieces.delete(index));
  }

  private async fetch(
    index: number,
    signal: AbortSignal,
    response?: Response,
  ): Promise<Uint8Array> {
    const offset = index * PIECE_BYTES,
      length = Math.min(PIECE_BYTES, this.size - offset);
    for (let tries = 1; ; tries++) {
      try {
        response ??= await fetchRange(this.url, offset, length, signal);
        return await this.body(response, length);
      } catch (cause) {
        const isKnown = cause instanceof SamebitError;
        if (signal.aborted || (isKnown && !isPassing(response))) throw cause;
        if (tries === TRIES)
          throw isKnown
            ? cause
            : new SamebitError(
                `${this.url}: expected ${length} bytes at ${offset}, found ${(cause as Error).message}, ${TRIES} times; load it again`,
                { cause },
              );
      }
      response = undefined;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** (tries - 1)));
    }
  }

  private async body(response: Response, length: number): Promise<Uint8Array> {
    const total = sizeOf(response) ?? this.size;
    if (response.status !== 206 || total !== this.size)
      throw new SamebitError(
        `${this.url}: expected a range of the file of ${this.size} bytes, found ` +
          (response.status === 206
            ? `another file of ${total}; load it again`
            : `status ${response.status}; check whether the server allows range requests`),
      );
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length !== length) throw new TypeError(`${bytes.length} of ${length} bytes`);
    return bytes;
  }
}

/** `length` bytes from `start` of pieces that follow each other. */
function joined(parts: readonly Uint8Array[], start: number, length: number): Uint8Array {
  if (parts.length === 1) return parts[0].subarray(start, start + length);
  const bytes = new Uint8Array(length);
  parts.forEach((part, i) => {
    const at = i * PIECE_BYTES - start;
    bytes.set(part.subarray(Math.max(0, -at), length - at), Math.max(0, at));
  });
  return bytes;
}

/** Whether a server may answer otherwise a moment later. */
const isPassing = (response?: Response) =>
  response !== undefined && (response.status === 429 || response.status >= 500);

async function fetchRange(
  url: string,
  offset: number,
  length: number,
  signal: AbortSignal,
): Promise<Response> {
  return fetch(url, {
    headers: { range: `bytes=${offset}-${offset + length - 1}` },
    signal,
    // Chromium's cache takes the requests for one address one by one, and keeps no ranges of this size
    cache: "no-store",
  });
}

/** Of the whole file. */
function sizeOf(response: Response): number | undefined {
  const found = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  return found ? Number(found[1]) : undefined;
}

async function sizeByHead(url: string): Promise<number> {
  const response = await fetch(url, { method: "HEAD" }).catch(() => undefined);
  return Number(response?.headers.get("content-length"));
}
