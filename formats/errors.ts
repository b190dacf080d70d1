// The one error of this layer. Whatever is wrong with a file, an override or a request to write, the
// caller gets a GgufError that says what was expected, what was found, where, and what to do.

/** Where an error lies: a file and, when known, the byte offset in it. */
export interface GgufErrorPlace {
  readonly source?: string;
  /** Bytes from the start of the file. */
  readonly offset?: number;
}

/** The parts of a message of the form `subject: expected X, found Y (where); remedy`. */
export interface GgufErrorParts extends GgufErrorPlace {
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy?: string;
}

/** Thrown for every malformed, truncated, unsupported or inconsistent GGUF file. */
export class GgufError extends Error {
  override readonly name = "GgufError";
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  /** Name of the source (file path or URL), when known. */
  readonly source: string | undefined;
  /** Bytes from the start of that source, when known. */
  readonly offset: number | undefined;
  readonly remedy: string | undefined;

  constructor(parts: GgufErrorParts) {
    const place = placeText(parts);
    super(
      `${parts.subject}: expected ${parts.expected}, found ${parts.found}` +
        (place === "" ? "" : ` (${place})`) +
        (parts.remedy === undefined ? "" : `; ${parts.remedy}`),
    );
    this.subject = parts.subject;
    this.expected = parts.expected;
    this.found = parts.found;
    this.source = parts.source;
    this.offset = parts.offset;
    this.remedy = parts.remedy;
  }
}

function placeText({ source, offset }: GgufErrorPlace): string {
  const at = offset === undefined ? "" : `offset 0x${offset.toString(16)}`;
  if (source === undefined || at === "") return source ?? at;
  return `${source}, ${at}`;
}

/** The remedy for everything that a broken download explains. */
export const DOWNLOAD_AGAIN = "the file may be truncated or damaged: download it again";

// 80: a tensor name (64 bytes at most) fits whole; a hostile 60,000-byte key does not fill the terminal.
const QUOTE_LENGTH = 80;

/** `text` in quotes for an error message: control characters escaped, long text cut. */
export function quote(text: string): string {
  if (text.length <= QUOTE_LENGTH) return `"${printable(text)}"`;
  return `"${printable(text.slice(0, QUOTE_LENGTH))}"... (${text.length} characters)`;
}

/**
 * `text` from a file, safe on a terminal: backslashes, quotes, control characters, lone surrogates and
 * the characters that reverse the direction of text are escaped as in JSON.
 */
export function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1).replace(UNSAFE, escapeCodeUnit);
}

// What JSON.stringify lets through: DEL and C1 controls (0x9b starts an ANSI sequence), line separators,
// bidirectional controls.
const UNSAFE = /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

function escapeCodeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
