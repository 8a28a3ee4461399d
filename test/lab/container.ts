import { randomBytes } from "node:crypto";
import { run, tryRun } from "./run.ts";
import { labLabel } from "./state.ts";

/** A single container of a test; its disposal removes it with its anonymous volumes. */
export interface LabContainer extends AsyncDisposable {
  readonly name: string;
  /** Runs a command in it as the image's user; throws unless it exits with 0. */
  exec(argv: readonly string[]): Promise<string>;
  /** Like `exec`, but only whether it exited with 0: for waiting. */
  succeeds(argv: readonly string[]): Promise<boolean>;
}

/** Starts a container of `image` under a name of its own; `options` are arguments of `docker run`. */
export async function startContainer(
  image: string,
  options: readonly string[] = [],
  command: readonly string[] = [],
): Promise<LabContainer> {
  const name = `sk-lab-${randomBytes(4).toString("hex")}`;
  const identity = ["--name", name, "--hostname", name, "--label", `${labLabel}=1`];
  await run(["docker", "run", "--detach", ...identity, ...options, image, ...command]);
  return {
    name,
    exec: (argv) => run(["docker", "exec", name, ...argv]),
    succeeds: async (argv) => (await tryRun(["docker", "exec", name, ...argv])).code === 0,
    async [Symbol.asyncDispose]() {
      await run(["docker", "rm", "--force", "--volumes", name]);
    },
  };
}
