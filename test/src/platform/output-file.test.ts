import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { OutputFile, writeFileWhole } from "../../../src/platform/output-file.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-output-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "out");
const others = () => readdirSync(folder).filter((name) => name !== "out");

it("replaces a file only when it is whole", () => {
  writeFileSync(path, "earlier");
  const file = new OutputFile(path);
  file.write(Uint8Array.of(1, 2));
  file.write(Uint8Array.of(3));
  expect(readFileSync(path, "utf8")).toBe("earlier");
  file.commit();
  expect(Array.from(readFileSync(path))).toEqual([1, 2, 3]);
  file.discard();
  expect([existsSync(path), others()]).toEqual([true, []]);
});

it("leaves nothing behind when it is given up", () => {
  const file = new OutputFile(path);
  file.write(Uint8Array.of(9));
  file.discard();
  expect([Array.from(readFileSync(path)), others()]).toEqual([[1, 2, 3], []]);
});

it("says which file cannot be written", () => {
  expect(() => writeFileWhole(join(folder, "none", "x"), "text")).toThrow(
    /none\/x: expected a file that can be written, found: ENOENT/,
  );
  writeFileWhole(path, "text");
  expect(readFileSync(path, "utf8")).toBe("text");
});
