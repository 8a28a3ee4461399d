import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** Runs the command line in a process of its own, with nothing in its environment but what is given. */
export async function keeper(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const entry = join(import.meta.dirname, "..", "..", "src", "cli.ts");
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env.PATH, ...options.env },
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}
