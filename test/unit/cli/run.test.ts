import { expect, it } from "vitest";
import { runCli, type Terminal } from "../../../src/cli/run.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { BackupFailedError, exitCodeOf, KeeperError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { Masker } from "../../../src/core/secrets.ts";
import type { ResultName } from "../../../src/model/result.ts";
import type { Command, Commands } from "../../../src/operations/session/command.ts";

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(line: string, command: Command, by?: string): Promise<Run> {
  const out: string[] = [];
  const err: string[] = [];
  const masker = new Masker();
  const terminal: Terminal = {
    argv: line.split(" "),
    environment: {},
    places: { workingDirectory: "/", home: undefined },
    cancellation: { signal: new AbortController().signal, cancelledBy: () => by },
    reporter: { ...silentReporter, secret: (value) => void masker.add(value) },
    masker,
    clock: systemClock,
    version: "1.2.3",
    print: (text) => void out.push(text),
    tell: (text) => void err.push(text),
    readText: async () => "",
    readInput: async () => new Uint8Array(),
  };
  const commands: Commands = { list: command };
  const code = await runCli(terminal, commands);
  return { code, stdout: out.join(""), stderr: err.join("\n") };
}

const throwing =
  (error: unknown): Command =>
  async () => {
    throw error;
  };

it.each(Object.entries(exitCodeOf))("a result %s exits with %i", async (result, code) => {
  const ended = await run("list --json", async () => ({
    result: result as ResultName,
    seconds: 1,
  }));
  expect(ended.code).toBe(code);
  expect(JSON.parse(ended.stdout)).toEqual({ result, seconds: 1 });
});

it.each<[string, Command, number, string]>([
  ["--json", throwing(new Error("x")), 2, "refused"],
  ["list --json --nonsense", throwing(new Error("x")), 2, "refused"],
  ["list --json", throwing(new BackupFailedError("disk full")), 3, "backup-failed"],
  ["list --json", throwing(new TypeError("oops")), 1, "error"],
  ["list --json", throwing("a text"), 1, "error"],
])("%s prints exactly one object and exits as it says", async (line, command, code, result) => {
  const ended = await run(line, command);
  expect(ended.code).toBe(code);
  expect(ended.stdout.trim().split("\n")).toHaveLength(1);
  expect(JSON.parse(ended.stdout)).toMatchObject({
    result,
    reason: { message: expect.any(String) },
  });
});

it("shows the stack of a bug, and none for what the user can mend", async () => {
  expect((await run("list", throwing(new TypeError("oops")))).stderr).toContain("at ");
  const refused = await run("list", throwing(new BackupFailedError("full", { hint: "make room" })));
  expect(refused.stderr).toBe("backup-failed: full\nmake room");
});

it("calls what ended because of a signal cancelled, unless the host is not as before", async () => {
  const cancelled = await run("list --json", throwing(new Error("aborted")), "SIGINT");
  expect(cancelled.code).toBe(130);
  const broken = new KeeperError(7, "rollback-failed", "start it by hand");
  expect((await run("list --json", throwing(broken), "SIGINT")).code).toBe(7);
});

it("masks secrets in the result", async () => {
  const leaky: Command = async (_, { reporter }) => {
    reporter.secret("hunter22");
    return { result: "listed", seconds: 0, warnings: ["saw hunter22"] };
  };
  expect((await run("list --json", leaky)).stdout).not.toContain("hunter22");
});

it("prints version and help on standard output", async () => {
  expect((await run("--version", throwing("x"))).stdout).toBe("1.2.3\n");
  const help = (await run("list --help", throwing("x"))).stdout;
  expect(help).toContain("--repository PATH");
  expect(help).toContain("EXIT STATUS");
  expect(help).not.toContain("--soak");
});
