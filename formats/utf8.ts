// Strings of a GGUF file, to JavaScript and back without loss. Old vocabularies hold bytes that are not
// UTF-8; such a byte b becomes the lone surrogate U+DC00 + b (as Python's `surrogateescape` does), which
// no valid UTF-8 decodes to, so writing the string gives the same bytes again.

// ignoreBOM: keep a leading U+FEFF; it is a token in some vocabularies.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

// Up to this many bytes, building the string char by char beats a call into TextDecoder: 250 against
// 450 ns for a 7-byte token on Node 20 (measured). 12: V8 concatenates flat strings up to 12 characters;
// longer ones would become ropes, several times the memory.
const SHORT = 12;

/** The string of `bytes[start, end)`. Bytes that are not UTF-8 become U+DC80 - U+DCFF. */
export function decodeUtf8(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (end - start <= SHORT) {
    const text = decodeShort(bytes, start, end);
    if (text !== undefined) return text;
  }
  const part = bytes.subarray(start, end);
  try {
    return strict.decode(part);
  } catch {
    return decodeEscaping(part);
  }
}

/** ASCII and two-byte sequences (the `\u0120` that begins half of all byte-level BPE tokens); else undefined. */
function decodeShort(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  for (let i = start; i < end; i++) {
    let code = bytes[i];
    if (code >= 0x80) {
      if (code < 0xc2 || code > 0xdf || ++i === end || (bytes[i] & 0xc0) !== 0x80) return undefined;
      code = ((code & 0x1f) << 6) | (bytes[i] & 0x3f);
    }
    text += String.fromCharCode(code);
  }
  return text;
}

/** The UTF-8 bytes of `text`; U+DC80 - U+DCFF that are not half of a pair become single bytes again. */
export function encodeUtf8(text: string): Uint8Array {
  const escapes = (text.match(LONE_ESCAPE) ?? []).length;
  if (escapes === 0) return encoder.encode(text);
  const parts = text.split(LONE_ESCAPE).map((part) => encoder.encode(part));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, escapes));
  let at = 0;
  let i = 0;
  for (const match of [...text.matchAll(LONE_ESCAPE), undefined]) {
    bytes.set(parts[i], at);
    at += parts[i++].length;
    if (match) bytes[at++] = match[0].charCodeAt(0) - 0xdc00;
  }
  return bytes;
}

// The u flag makes a surrogate pair one character, so only lone surrogates match.
const LONE_ESCAPE = /[\udc80-\udcff]/gu;

function decodeEscaping(bytes: Uint8Array): string {
  const parts: string[] = [];
  let valid = 0; // start of the pending run of valid UTF-8
  let i = 0;
  while (i < bytes.length) {
    const length = sequenceLength(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    parts.push(strict.decode(bytes.subarray(valid, i)), String.fromCharCode(0xdc00 + bytes[i]));
    valid = ++i;
  }
  parts.push(strict.decode(bytes.subarray(valid)));
  return parts.join("");
}

/** Bytes of the well-formed UTF-8 sequence at `i` (Unicode, table 3-7), or 0. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const b0 = bytes[i];
  if (b0 < 0x80) return 1;
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  let low = 0x80;
  let high = 0xbf;
  if (b0 === 0xe0) low = 0xa0;
  else if (b0 === 0xed) high = 0x9f;
  else if (b0 === 0xf0) low = 0x90;
  else if (b0 === 0xf4) high = 0x8f;
  const length = b0 < 0xc2 ? 0 : b0 < 0xe0 ? 2 : b0 < 0xf0 ? 3 : b0 < 0xf5 ? 4 : 0;
  if (length === 0 || i + length > bytes.length) return 0;
  if (bytes[i + 1] < low || bytes[i + 1] > high) return 0;
  for (let k = 2; k < length; k++) if ((bytes[i + k] & 0xc0) !== 0x80) return 0;
  return length;
}
