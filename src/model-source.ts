// Where a model's bytes come from: files, URLs, bytes in memory, Blobs, and what a caller reads by itself.

import { type Gguf, readGguf } from "../formats/gguf.ts";
import { applyOverrides, parseOverrides } from "../formats/override.ts";
import { blobSource, bytesSource, type Source } from "../formats/source.ts";
import { checkCancelled, LOAD_CANCELLED, unlessAborted } from "./cancellation.ts";
import { OptionError } from "./errors.ts";
import { platform } from "./platform/index.ts";

/**
 * A path or file URL (in browsers a URL to fetch), bytes, a Blob, or anything that can be read at random; several of the last
 * for a split model.
 */
export type ModelSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Source
  | readonly Source[];

/**
 * Opens a model file without loading it: metadata and tensor directory. Close it with closeGguf, which leaves your own
 * Sources open.
 */
export async function openGguf(
  source: ModelSource,
  overrideKv?: string | readonly string[],
): Promise<Gguf> {
  return openUnlessAborted(source, overrideKv);
}

/** openGguf whose file can be read until `signal` is aborted: then every read throws RunError "cancelled". */
export async function openUnlessAborted(
  source: ModelSource,
  overrideKv?: string | readonly string[],
  signal?: AbortSignal,
): Promise<Gguf> {
  const texts = typeof overrideKv === "string" ? [overrideKv] : (overrideKv ?? []);
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string"))
    throw new OptionError("overrideKv: expected KEY=TYPE:VALUE texts, found something else");
  const overrides = texts.flatMap((text) => parseOverrides(text));
  const given = await unlessAborted<Source | readonly Source[]>(
    toSources(source),
    LOAD_CANCELLED,
    signal,
  );
  const sources =
    "read" in given ? cancellable(given, signal) : given.map((one) => cancellable(one, signal));
  let opened: readonly Source[] = "read" in sources ? [sources] : sources;
  try {
    const gguf = await readGguf(sources, {
      open: async (name) => cancellable(await platform.openFile(name), signal),
    });
    opened = gguf.sources; // with the siblings of a split file
    return overrides.length === 0 ? gguf : applyOverrides(gguf, overrides);
  } catch (error) {
    for (const one of opened) await one.close?.();
    throw error;
  }
}

async function toSources(source: ModelSource): Promise<Source | readonly Source[]> {
  if (typeof source === "string")
    return platform.openFile(/^file:\/\//i.test(source) ? filePath(new URL(source)) : source);
  if (source instanceof URL)
    return platform.openFile(source.protocol === "file:" ? filePath(source) : source.href);
  if (source instanceof Uint8Array) return bytesSource("bytes", source);
  if (source instanceof ArrayBuffer) return bytesSource("bytes", new Uint8Array(source));
  if (typeof Blob !== "undefined" && source instanceof Blob)
    return blobSource((source as { name?: string }).name ?? "blob", source);
  if (Array.isArray(source) && source.every(isSource)) return source.map(borrowed);
  if (isSource(source)) return borrowed(source);
  const found = typeof source === "object" && source ? "another object" : String(source);
  throw new OptionError(
    `model: expected a path, a URL, bytes, a Blob, a Source or an array of Sources, found ${found}`,
  );
}

/** The Source, of which no read outlasts the signal: what a server or a caller answers may never come. */
function cancellable(source: Source, signal?: AbortSignal): Source {
  if (!signal || source.readSync) return source;
  return {
    ...source,
    close: () => source.close?.(),
    async read(offset, length) {
      checkCancelled(signal);
      return unlessAborted(Promise.resolve(source.read(offset, length)), LOAD_CANCELLED, signal);
    },
  };
}

const isSource = (source: unknown): source is Source =>
  typeof (source as Source | null | undefined)?.read === "function";

/** The caller's Source without its `close`. */
function borrowed(source: Source): Source {
  return {
    name: source.name,
    size: source.size,
    read: (offset, length) => source.read(offset, length),
    readSync: source.readSync && ((offset, into) => source.readSync!(offset, into)),
  };
}

function filePath(url: URL): string {
  const path = decodeURIComponent(url.pathname);
  return /^\/[A-Za-z]:\//.test(path) ? path.slice(1) : path; // file:///C:/x on Windows
}
