import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LabStack } from "../../lab/lab-stack.ts";
import { program } from "../../lab/program.ts";
import { run } from "../../lab/run.ts";

/** What stands in for a name of a page: its `/srv/sophon` is the directory of the stack, its `age1...` a key. */
export type StandIns = Readonly<Record<string, string>>;

/** A prompt as a reader of a page has it, with the program on its PATH. */
export class PageShell {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly #standIns: StandIns;

  private constructor(home: string, env: Record<string, string>, standIns: StandIns) {
    this.home = home;
    this.env = env;
    this.#standIns = standIns;
  }

  static async open(
    stack: Pick<LabStack, "scratch">,
    standIns: StandIns,
    env: Readonly<Record<string, string>> = {},
  ): Promise<PageShell> {
    const home = join(stack.scratch, "home");
    const bin = join(stack.scratch, "bin");
    await Promise.all([mkdir(home, { recursive: true }), mkdir(bin, { recursive: true })]);
    const programs = {
      node: `exec ${process.execPath} "$@"`,
      "sophon-keeper": `exec ${process.execPath} ${program} "$@"`,
      // What it does with the packed package, the contract test of that shows.
      npx: 'exec "$@"',
    };
    for (const [name, line] of Object.entries(programs)) {
      await writeFile(join(bin, name), `#!/bin/sh\n${line}\n`);
      await chmod(join(bin, name), 0o755);
    }
    return new PageShell(
      home,
      { PATH: `${bin}:${process.env.PATH}`, HOME: home, ...env },
      standIns,
    );
  }

  /**
   * Runs commands of a page word for word, but for what stands in for its names.
   *
   * @returns what they wrote to standard output
   * @throws if one of them fails.
   */
  async run(commands: string, cwd: string, more: StandIns = {}): Promise<string> {
    const standIns = Object.entries({ ...this.#standIns, ...more });
    // The longest first: one name may begin like another.
    const names = standIns.map(([name]) => name).toSorted((a, b) => b.length - a.length);
    const escaped = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const known = Object.fromEntries(standIns);
    const own =
      names.length === 0
        ? commands
        : commands.replaceAll(new RegExp(escaped.join("|"), "g"), (name) => known[name] ?? "");
    return await run(["bash", "-e", "-o", "pipefail", "-c", own], { cwd, env: this.env });
  }
}
