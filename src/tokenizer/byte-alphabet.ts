// GPT-2's alphabet: each byte as one printable character, so that byte-level BPE vocabularies are
// text. Printable Latin-1 bytes stand for themselves, the others for U+0100 and up in order.

/** Character of each byte. */
export const CHARACTER_OF_BYTE: readonly string[] = Array.from({ length: 256 }, () => "");
/** Byte of each character. */
export const BYTE_OF_CHARACTER = new Map<string, number>();

let next = 0x100;
for (let byte = 0; byte < 256; byte++) {
  const printable =
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const character = String.fromCharCode(printable ? byte : next++);
  (CHARACTER_OF_BYTE as string[])[byte] = character;
  BYTE_OF_CHARACTER.set(character, byte);
}

/** `<0xXX>`, the spelling of a byte token, for byte fallback. */
export function byteTokenText(byte: number): string {
  return `<0x${(byte < 16 ? "0" : "") + byte.toString(16).toUpperCase()}>`;
}

/** The byte that `<0xXX>` spells, or -1. */
export function byteOfTokenText(text: string): number {
  return /^<0x[0-9a-fA-F]{2}>$/.test(text) ? Number.parseInt(text.slice(3, 5), 16) : -1;
}

/** UTF-8 bytes of a code point, pushed one by one. */
export function pushUtf8(code: number, push: (byte: number) => void): void {
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xc0 | (code >> 6));
    push(0x80 | (code & 63));
  } else if (code < 0x10000) {
    push(0xe0 | (code >> 12));
    push(0x80 | ((code >> 6) & 63));
    push(0x80 | (code & 63));
  } else {
    push(0xf0 | (code >> 18));
    push(0x80 | ((code >> 12) & 63));
    push(0x80 | ((code >> 6) & 63));
    push(0x80 | (code & 63));
  }
}

/** The first byte of a code point's UTF-8. */
export function firstByte(code: number): number {
  if (code < 0x80) return code;
  if (code < 0x800) return 0xc0 | (code >> 6);
  return code < 0x10000 ? 0xe0 | (code >> 12) : 0xf0 | (code >> 18);
}

/** The last one. */
export function lastByte(code: number): number {
  return code < 0x80 ? code : 0x80 | (code & 63);
}
