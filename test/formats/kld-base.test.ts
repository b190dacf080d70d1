import { describe, expect, it } from "vitest";
import {
  decodeKldRow,
  encodeKldHeader,
  encodeKldRow,
  kldHeaderBytes,
  kldRowBytes,
  readKldHeader,
} from "../../formats/kld-base.ts";
import { bytesSource } from "../../formats/source.ts";

const header = {
  nCtx: 4,
  nVocab: 5,
  nChunks: 2,
  tokens: Int32Array.from([0, 1, 2, 3, 4, 3, 2, 1]),
};
const rows = () => 1;
const file = () => {
  const head = encodeKldHeader(header),
    bytes = new Uint8Array(head.length + 2 * kldRowBytes(5));
  bytes.set(head);
  return bytes;
};
const refusal = (bytes: Uint8Array) =>
  expect(readKldHeader(bytesSource("base", bytes), rows)).rejects;

describe("KL divergence base", () => {
  it("has llama.cpp's layout", () => {
    const head = encodeKldHeader(header);
    expect(Buffer.from(head.subarray(0, 24)).toString("hex")).toBe(
      "5f6c6f676974735f" + "04000000" + "05000000" + "02000000" + "00000000",
    );
    expect(head.length).toBe(kldHeaderBytes(header));
    expect([kldRowBytes(4), kldRowBytes(5)]).toEqual([16, 20]);
  });

  it("reads back what it wrote", async () => {
    expect(await readKldHeader(bytesSource("base", file()), rows)).toEqual(header);
  });

  it("refuses other files, cut files and ids out of range", async () => {
    await refusal(new Uint8Array(3)).toThrow("at least 20 bytes, found 3");
    await refusal(new Uint8Array(90)).toThrow("a file that begins with _logits_");
    await refusal(file().subarray(0, 80)).toThrow("92 bytes, found 80");
    const negative = file();
    negative[15] = 0x80;
    await refusal(negative).toThrow("positive sizes");
    const foreign = file();
    foreign[20] = 9;
    await refusal(foreign).toThrow("token ids below 5, found 9");
  });

  it("keeps log-probabilities to a 65535th of their range, and cuts off at 16", () => {
    const logits = Float32Array.from([1, -2.5, 4, 3.25, -40]),
      into = new Uint8Array(kldRowBytes(5)).fill(255);
    const logSum = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - 4), 0)),
      decoded = new Float32Array(5);
    encodeKldRow(logits, { max: 4, min: -40, logSum }, into);
    decodeKldRow(into, decoded);
    const half = 16 / 65535 / 2 + 1e-6;
    logits.forEach((x, i) =>
      expect(Math.abs(decoded[i] - (Math.max(x - 4, -16) - logSum))).toBeLessThan(half),
    );
    expect([into[18], into[19]]).toEqual([0, 0]); // behind an odd vocabulary
  });

  it("writes a row whose logits are all the same", () => {
    const into = new Uint8Array(kldRowBytes(5)),
      decoded = new Float32Array(5);
    encodeKldRow(new Float32Array(5).fill(2), { max: 2, min: 2, logSum: Math.log(5) }, into);
    decodeKldRow(into, decoded);
    expect(Array.from(decoded)).toEqual(Array(5).fill(Math.fround(-Math.fround(Math.log(5)))));
  });
});
