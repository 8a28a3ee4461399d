import { run } from "../../core/exec.ts";

/** Of a program that looks at this host. */
const answerMs = 10_000;

/** The first line that a program says; undefined if it is missing or fails. */
export async function firstLine(
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { stdout } = await run(program, args, { timeoutMs: answerMs });
    return stdout.toString().split("\n")[0];
  } catch {
    return undefined;
  }
}
