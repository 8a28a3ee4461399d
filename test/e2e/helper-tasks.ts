import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { RefusedError } from "../../src/core/errors.ts";
import { run } from "../../src/core/exec.ts";
import type { NamedTask } from "../../src/core/task.ts";

/** Tells who runs it and what it reads; writes a file beside. */
export const rights: NamedTask<
  { readonly path: string; readonly write?: string },
  { uid: number; text: string; inside: boolean }
> = {
  name: "test.rights",
  run: async ({ path, write }, { reporter }) => {
    reporter.info("reading");
    const text = await readFile(path, "utf8");
    if (write !== undefined) await writeFile(write, "written");
    return { uid: process.getuid?.() ?? -1, text, inside: process.pid === 1 };
  },
};

/** Fails in the way asked for. */
export const fail: NamedTask<{ readonly how: "refused" | "exec" | "exit" }, never> = {
  name: "test.fail",
  run: async ({ how }) => {
    if (how === "refused")
      throw new RefusedError("no", { hint: "do so", class: "test", cause: new Error("why") });
    if (how === "exec") await run("tar", ["--no-such-option"]);
    process.exit(9);
  },
};

/** Runs until it is aborted, then takes back what it made. */
export const slow: NamedTask<{ readonly file: string }, null> = {
  name: "test.slow",
  run: async ({ file }, { signal, reporter }) => {
    await writeFile(file, "begun");
    reporter.info("begun");
    try {
      await delay(120_000, undefined, { signal });
    } finally {
      await rm(file);
    }
    return null;
  },
};

/** The names of the network interfaces it sees. */
export const network: NamedTask<null, string[]> = {
  name: "test.network",
  run: async () => Object.keys(networkInterfaces()),
};

/** What the tools say of themselves. */
export const tools: NamedTask<null, string[]> = {
  name: "test.tools",
  run: async () => {
    const names = ["tar", "cp", "mv", "rm", "ln", "chown", "chmod", "stat", "sync", "df", "du"];
    const outputs = await Promise.all(names.map((name) => run(name, ["--version"])));
    return outputs.map(({ stdout }) => stdout.split("\n")[0] ?? "");
  },
};

/** The name of the container it runs in. */
export const host: NamedTask<null, string> = { name: "test.host", run: async () => hostname() };
