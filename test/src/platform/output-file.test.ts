import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { checkWritable, OutputFile, writeFileWhole } from "../../../src/platform/output-file.ts";

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

it("replaces what a link leads to, and not the link", () => {
  writeFileSync(path, "earlier");
  symlinkSync(path, join(folder, "link"));
  writeFileWhole(join(folder, "link"), "new");
  expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("new");
  rmSync(join(folder, "link"));
});

it.skipIf(!existsSync("/dev/null"))("writes to a device, which it does not replace", () => {
  const link = join(folder, "null");
  symlinkSync("/dev/null", link); // by a link, so that a mistake harms nobody
  checkWritable(link);
  writeFileWhole(link, "text");
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  rmSync(link);
});

it("tells beforehand what cannot be written", () => {
  mkdirSync(join(folder, "folder"));
  for (const [at, found] of [
    ["folder", "found a folder"],
    ["none/x", "found: ENOENT"],
  ])
    expect(() => checkWritable(join(folder, at))).toThrow(
      `expected a file that can be written, ${found}`,
    );
  rmSync(join(folder, "folder"), { recursive: true });
  expect(() => checkWritable("")).toThrow("output: expected a path, found an empty one");
  checkWritable(undefined);
  checkWritable(join(folder, "new"));
  expect(others()).toEqual([]);
});
