import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { compiled, isProgramBuilt, program } from "../lab/program.ts";

/** Runs the command line as it is shipped in a process of its own, with nothing in its environment but what is given. */
export async function keeper(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const entry = join(await shipped(), "cli.js");
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compiled, ...options.env },
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

let own: Promise<string> | undefined;

/** The directory of the build: that of the run this file belongs to, or one for this file alone. */
export async function shipped(): Promise<string> {
  if (isProgramBuilt()) return dirname(program);
  own ??= build();
  return own;
}

async function build(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-cli-"));
  await bundle(directory);
  return directory;
}

afterAll(async () => {
  if (own !== undefined) await rm(await own, { recursive: true, force: true });
});
