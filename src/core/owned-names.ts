import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { judgeOwner, ownProcess } from "./identity.ts";

// Directories whose names tell which process made them: `sophon-keeper-check-12345-678900-4026531836-<boot id>-<6 characters>`.

const owned = /^\.?(?:[a-z]+-)+((\d+)-(\d+)-(\d+)-([0-9a-f]{32}))-.{6}$/;

/** This process in a name: `12345-678900-4026531836-<boot id>`. */
export async function ownName(): Promise<string> {
  const { pid, startTicks, pidNamespace, bootId } = await ownProcess();
  return [pid, startTicks, /\d+/.exec(pidNamespace)?.[0], bootId.replaceAll("-", "")].join("-");
}

/** The process that a name tells; undefined for the name of anything else. */
export function ownerInName(name: string): string | undefined {
  return owned.exec(name)?.[1];
}

/** The paths of this user's directories whose owners are dead. */
export async function deadIn(parent: string): Promise<string[]> {
  const dead: string[] = [];
  const here = await ownProcess();
  const own = { ...here, bootId: here.bootId.replaceAll("-", "") };
  for (const name of await readdir(parent).catch(() => [])) {
    const [, , pid, startTicks = "", namespace, bootId = ""] = owned.exec(name) ?? [];
    if (pid === undefined) continue;
    const identity = { pid: Number(pid), startTicks, pidNamespace: `pid:[${namespace}]` };
    if ((await judgeOwner({ ...identity, bootId }, own)) !== "dead") continue;
    const path = join(parent, name);
    // Of another user it is that user's: removing it would follow whatever is exchanged in it meanwhile.
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isDirectory() === true && stats.uid === process.geteuid?.()) dead.push(path);
  }
  return dead;
}
