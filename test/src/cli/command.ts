// Runs the built command as a user does: `node dist/src/cli/main.js ...`. Fails, not skips, where
// dist is missing.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
export const main = `${root}dist/src/cli/main.js`;

export const fixture = (name: string): string => `${root}test/fixtures/${name}`;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the command; its standard input stays open until the caller ends it. */
export function start(...args: string[]): ChildProcess {
  if (!existsSync(main))
    throw new Error(`${main}: expected the built command, found no such file; npm run build`);
  return spawn(process.execPath, [main, ...args], {
    cwd: root,
    env: { ...process.env, SAMEBIT_DEBUG: "" },
  });
}

/** Runs the command to its end with empty standard input. */
export function samebit(...args: string[]): Promise<Outcome> {
  return samebitWithInput("", ...args);
}

export async function samebitWithInput(input: string, ...args: string[]): Promise<Outcome> {
  const child = start(...args);
  child.stdin!.on("error", () => {}); // the command may end without reading
  child.stdin!.end(input);
  return outcome(child);
}

export function outcome(child: ChildProcess): Promise<Outcome> {
  let stdout = "",
    stderr = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
