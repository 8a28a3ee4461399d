import { dirname } from "node:path";
import { run, tryRun } from "./run.ts";

/** A user that is in the docker group and nothing else: it may use the engine, and read no path of the stack. */
export const dockerUser = "sk-docker";

/**
 * Makes {@link dockerUser}, able to read and run this checkout, its node_modules and this Node, and nothing more than
 * anyone else may. Needs root.
 */
export async function ensureDockerUser(
  checkout: string = dirname(dirname(import.meta.dirname)),
): Promise<string> {
  const exists = (await tryRun(["id", dockerUser])).code === 0;
  if (!exists) {
    await run(["groupadd", "--system", "--force", "docker"]);
    await run(["useradd", "--create-home", "--shell", "/bin/bash", "-G", "docker", dockerUser]);
  }
  for (const path of [process.execPath, `${checkout}/package.json`, `${checkout}/node_modules`]) {
    await allowReading(path);
  }
  await run(asDockerUser(["docker", "version"]));
  return exists ? "there" : "made";
}

/**
 * The command line that runs `argv` as {@link dockerUser}, from root. The environment is kept but for HOME, USER and
 * XDG_DATA_HOME, so that nothing of root's home is looked at.
 */
export function asDockerUser(argv: readonly string[]): string[] {
  const identity = ["--reuid", dockerUser, "--regid", dockerUser, "--init-groups"];
  const home = `/home/${dockerUser}`;
  const environment = ["-u", "XDG_DATA_HOME", `HOME=${home}`, `USER=${dockerUser}`];
  return ["setpriv", ...identity, "env", ...environment, ...argv];
}

/** Opens only the directories above `path` to this one user, and only where they are closed. */
async function allowReading(path: string): Promise<void> {
  if (await canRead(path)) return;
  for (let directory = dirname(path); directory !== "/"; directory = dirname(directory)) {
    await run(["setfacl", "-m", `u:${dockerUser}:x`, directory]);
  }
  if (await canRead(path)) return;
  throw new Error(`${dockerUser} cannot read ${path}: use a checkout that other users may read`);
}

async function canRead(path: string): Promise<boolean> {
  return (await tryRun(asDockerUser(["test", "-r", path]))).code === 0;
}
