import { describe, expect, it } from "vitest";
import { Turns } from "../../../src/threads/turns.ts";

/** Work that is over when the test says so. */
function controlled(log: string[], name: string) {
  let finish!: () => void;
  const done = new Promise<void>((resolve) => (finish = resolve));
  return {
    finish,
    work: async () => {
      log.push(`${name} begins`);
      await done;
      log.push(`${name} ends`);
      return name;
    },
  };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

describe("Turns", () => {
  it("gives each its turn, in order, one at a time", async () => {
    const turns = new Turns(),
      log: string[] = [],
      works = ["a", "b", "c"].map((name) => controlled(log, name));
    const results = works.map(({ work }) => turns.take(work));
    works[1].finish();
    works[2].finish();
    await soon();
    expect(log).toEqual(["a begins"]);
    works[0].finish();
    expect(await Promise.all(results)).toEqual(["a", "b", "c"]);
    expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  it("goes on after work that fails", async () => {
    const turns = new Turns();
    const failed = turns.take(async () => {
        throw new Error("mine");
      }),
      next = turns.take(async () => 2);
    await expect(failed).rejects.toThrow("mine");
    expect(await next).toBe(2);
  });

  it("lets one go that is cancelled while it waits; the others keep their places", async () => {
    const turns = new Turns(),
      log: string[] = [],
      controller = new AbortController();
    const [a, b, c] = ["a", "b", "c"].map((name) => controlled(log, name));
    const first = turns.take(a.work),
      second = turns.take(b.work, controller.signal),
      third = turns.take(c.work);
    controller.abort("why");
    await expect(second).rejects.toMatchObject({ failure: "cancelled", cause: "why" });
    await soon();
    expect(log).toEqual(["a begins"]); // the third does not take the place of the first
    a.finish();
    c.finish();
    await Promise.all([first, third]);
    expect(log).toEqual(["a begins", "a ends", "c begins", "c ends"]);
  });

  it("leaves a signal alone that is aborted after the turn has begun", async () => {
    const turns = new Turns(),
      controller = new AbortController(),
      log: string[] = [],
      a = controlled(log, "a");
    const first = turns.take(a.work, controller.signal);
    await soon();
    controller.abort();
    a.finish();
    expect(await first).toBe("a");
  });
});
