// The parts of tile templates (generate-tiles.mjs, @part); that the tiles are right, the golden hashes show.

import { expect, test } from "vitest";
import { partsOf, withParts } from "../../../assembly/matmul/generate-tiles.mjs";

const parts = partsOf([
  `
/**
 * A sum.
 * @part
 */
export function both(p: usize, $at: i32): v128 {
  return i8x16.add(v128.load(p, $at), v128.load(p, $at + 16)); // twice
}

/**
 * Sets a variable.
 * @part
 */
export function addBoth(a$g: v128, $fresh: bool, q$g: usize, $n: i32): void {
  const b$g = both(q$g, 32 * $n);
  a$g = $fresh ? b$g : i8x16.add(a$g, b$g);
}
`,
]);
const expanded = (body: string, constants = {}) =>
  withParts(body, parts, constants).replace(/\s+/g, " ").trim();

test("the statements of a part stand where it is called, its parameters being the arguments", () => {
  expect(expanded("addBoth(sum$g, $i == 0, w$g, 2);")).toBe(
    "const b$g = i8x16.add(v128.load(w$g, (32 * 2)), v128.load(w$g, (32 * 2) + 16)); " +
      "sum$g = ($i == 0) ? b$g : i8x16.add(sum$g, b$g);",
  );
});

test("a part of one return stands in an expression", () => {
  expect(expanded("const x = f(both(p, 0), 1);")).toBe(
    "const x = f(i8x16.add(v128.load(p, 0), v128.load(p, 0 + 16)), 1);",
  );
});

test("a constant may be a part's name, or any other function's", () => {
  const body = "x = $row(p, 4);";
  expect(expanded(body, { row: "both" })).toContain("v128.load(p, 4 + 16)");
  expect(expanded(body, { row: "loadOne" })).toBe(body);
});

test("a call that is not a part's stays, whatever it begins with", () => {
  expect(expanded("x = bothOf(p); y.both(p, 0);")).toBe("x = bothOf(p); y.both(p, 0);");
});

test("too few arguments are an error", () => {
  expect(() => expanded("x = both(p);")).toThrow("both takes 2 arguments, found 1");
});
