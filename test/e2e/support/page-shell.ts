import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { quoted } from "../../../src/core/shell.ts";
import type { LabStack } from "../../lab/lab-stack.ts";
import { program } from "../../lab/program.ts";
import { run } from "../../lab/run.ts";
import { atTerminal } from "./at-terminal.ts";

/** What stands in for a name of a page: its `/srv/sophon` is the directory of the stack, its `age1...` a key. */
export type StandIns = Readonly<Record<string, string>>;

/** A prompt as a reader of a page has it, with the program on its PATH. */
export class PageShell {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly #standIns: StandIns;
  readonly #bash = ["bash", "-e", "-o", "pipefail", "-c"];

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
    return await run([...this.#bash, this.#own(commands, more)], { cwd, env: this.env });
  }

  /**
   * Runs a command of a page at a terminal, where Enter is the answer to each of so many questions.
   *
   * @returns what the screen showed
   * @throws if it fails.
   */
  async runAtTerminal(command: string, cwd: string, questions: number): Promise<string> {
    const line = `cd ${quoted(cwd)} && ${this.#own(command, {})}`;
    const terminal = atTerminal([line], this.env, this.#bash);
    for (let asked = 0; asked < questions; asked++) {
      await terminal.shows(/\[[Yy]\/[Nn]\] $/);
      terminal.type("\r");
    }
    const { code, screen } = await terminal.ended;
    if (code !== 0) throw new Error(`${line} exited with ${code}:\n${screen}`);
    return screen;
  }

  #own(commands: string, more: StandIns): string {
    const standIns = Object.entries({ ...this.#standIns, ...more });
    // The longest first: one name may begin like another.
    const names = standIns.map(([name]) => name).toSorted((a, b) => b.length - a.length);
    const escaped = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const known = Object.fromEntries(standIns);
    if (names.length === 0) return commands;
    return commands.replaceAll(new RegExp(escaped.join("|"), "g"), (name) => known[name] ?? "");
  }
}
