// Hashes of every math function over fixed inputs, for comparing engines and processors with
// golden.json. Plain JavaScript without node: or test-runner imports, so that Node, Deno, Bun and
// browsers run this very file. Inputs are bit patterns and sums, never results of Math functions.

import { f32Functions, f64Functions } from "./functions.mjs";

const N = 65536;

/**
 * @param {Uint8Array} wasmBytes assembly/math/selftest.ts, compiled @returns
 * {Promise<Record<string, string>>} function name to SHA-256 (hex) of its outputs, NaN made
 * canonical
 */
export async function hashes(wasmBytes) {
  const { instance } = await WebAssembly.instantiate(wasmBytes, { env: { abort() {} } });
  const wasm = instance.exports;
  const pages = 2 * ((N * 16) / 65536);
  const input = wasm.memory.grow(pages) * 65536;
  const output = input + (pages / 2) * 65536;
  /** @type {Record<string, string>} */
  const result = {};
  const inputs32 = [patterns32(), ramp32(-20, 20), ramp32(-110, 110)];
  const inputs64 = [patterns64(), ramp64(-30, 30), ramp64(-2000000, 2000000)];

  /** Runs `call` on every input array and hashes the outputs one after the other. */
  const hashAll = async (inputs, outputType, outputsPerInput, call) => {
    const parts = [];
    for (const values of inputs) {
      new values.constructor(wasm.memory.buffer, input, N).set(values);
      call();
      parts.push(canonical(new outputType(wasm.memory.buffer, output, N * outputsPerInput)));
    }
    return sha256(parts);
  };

  for (const [fn, name] of f32Functions.entries()) {
    result[name] = await hashAll(inputs32, Float32Array, 1, () =>
      wasm.mapF32(fn, input, output, N),
    );
  }
  for (const [fn, name] of f64Functions.entries()) {
    result[name] = await hashAll(inputs64, Float64Array, 1, () =>
      wasm.mapF64(fn, input, output, N),
    );
  }
  for (const y of [-0.015625, 0.5, -3.25, 77]) {
    result[`pow64(x, ${y})`] = await hashAll(inputs64, Float64Array, 1, () =>
      wasm.mapPowF64(input, y, output, N),
    );
  }
  result.sincosf = await hashAll([...inputs32, ramp32(0, 1048576)], Float32Array, 2, () =>
    wasm.mapSincosF32(input, output, N),
  );
  return result;
}

/** Bit patterns spread over all f32: subnormals, both signs, infinities, NaN. */
function patterns32() {
  const bits = new Uint32Array(N);
  for (let i = 0; i < N; i++) bits[i] = Math.imul(i, 65537);
  bits.set([0, 0x80000000, 1, 0x80000001, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000], 8);
  return new Float32Array(bits.buffer);
}

/** Bit patterns spread over all f64. */
function patterns64() {
  const words = new Uint32Array(2 * N);
  for (let i = 0; i < N; i++) {
    words[2 * i] = Math.imul(i, 0x9e3779b1);
    words[2 * i + 1] = Math.imul(i, 65537);
  }
  return new Float64Array(words.buffer);
}

function ramp32(from, to) {
  const step = (to - from) / N; // exact: N is a power of two
  return Float32Array.from({ length: N }, (_, i) => from + i * step);
}

function ramp64(from, to) {
  const step = (to - from) / N;
  return Float64Array.from({ length: N }, (_, i) => from + i * step + i / 1099511627776);
}

/**
 * A copy of the bytes with every NaN as the quiet NaN without payload: NaN bits are not portable.
 */
function canonical(values) {
  const copy = values.slice();
  const words = new Uint32Array(copy.buffer);
  const wordsPerValue = values.BYTES_PER_ELEMENT / 4;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i])) continue;
    words.fill(0, i * wordsPerValue, (i + 1) * wordsPerValue);
    words[(i + 1) * wordsPerValue - 1] = wordsPerValue === 1 ? 0x7fc00000 : 0x7ff80000;
  }
  return new Uint8Array(copy.buffer);
}

async function sha256(parts) {
  const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
