import { spawn } from "node:child_process";
import { once } from "node:events";
import { quoted } from "../../../src/core/shell.ts";
import { compiled, program } from "../../lab/program.ts";
import { until } from "../../lab/step.ts";

/** The program at a terminal, as a person has it. */
interface AtTerminal {
  /** Resolves when the screen has text that matches behind what was waited for before. */
  shows(pattern: RegExp): Promise<void>;
  /** Presses keys: `\r` is Enter, `\x03` is Ctrl-C. */
  type(keys: string): void;
  readonly ended: Promise<{ readonly code: number | null; readonly screen: string }>;
}

/** Generous: the machine may be busy with other tests. */
const questionMs = 120_000;

/**
 * Starts the command line at a real pseudo-terminal, that of script(1).
 *
 * @param own - the words that start the program, if it is not the one of this run
 */
export function atTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  own: readonly string[] = [process.execPath, program],
): AtTerminal {
  const command = [...own, ...args].map(quoted).join(" ");
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME ?? "/root", TERM: "xterm" },
      ...{ NODE_COMPILE_CACHE: compiled, ...env },
    },
    cwd: "/",
    stdio: ["pipe", "pipe", "inherit"],
  });
  let [screen, seen, isOver] = ["", 0, false];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
  });
  const ended = once(child, "close").then(([code]) => {
    isOver = true;
    return { code, screen };
  });
  return {
    ended,
    type: (keys) => void child.stdin.write(keys),
    shows: async (pattern) => {
      await until(`${pattern}`, questionMs, async () => {
        const found = pattern.exec(screen.slice(seen));
        if (found !== null) seen += found.index + found[0].length;
        if (found === null && isOver) throw new Error(`it ended without ${pattern}:\n${screen}`);
        return found !== null;
      });
    },
  };
}
