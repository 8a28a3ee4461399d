import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hasCommand, run, tryRun } from "./run.ts";
import { labDirectory } from "./state.ts";

/** The version of act that the lab is tried with. */
export const actVersion = "v0.2.89";

/** Where the lab's act is: built from source, so that nothing but a Go module proxy is needed. */
export function actPath(): string {
  return join(labDirectory(), "bin", "act");
}

/** Why act cannot be used, or undefined when it can: for tests that skip without it. */
export async function actMissing(): Promise<string | undefined> {
  const found = await tryRun([actPath(), "--version"]);
  return found.code === 0 ? undefined : `act is not built (${actPath()}): npm run lab up`;
}

/** Builds act, which runs the action as a workflow does, unless this version is there. Needs Go. */
export async function ensureAct(): Promise<string> {
  const wanted = actVersion.slice(1);
  const found = await tryRun([actPath(), "--version"]);
  if (
    found.code === 0 &&
    (found.stdout.includes(wanted) || (await builtVersion()) === actVersion)
  ) {
    return `act ${wanted}, there`;
  }
  if (!(await hasCommand("go"))) throw new Error("building act needs Go 1.24 or later on the PATH");
  const directory = join(labDirectory(), "bin");
  await mkdir(directory, { recursive: true });
  const env = { ...process.env, GOBIN: directory, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" };
  // Nice: compiling it must not slow down what the tests wait for.
  await run(["nice", "-n", "19", "go", "install", `github.com/nektos/act@${actVersion}`], { env });
  return `act ${wanted}, built`;
}

async function builtVersion(): Promise<string | undefined> {
  const result = await tryRun(["go", "version", "-m", actPath()]);
  return /^\s*mod\s+github\.com\/nektos\/act\s+(\S+)/m.exec(result.stdout)?.[1];
}
