import { readFile } from "node:fs/promises";
import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";
import { portsOf } from "./socket-table.ts";

/**
 * The TCP ports on which a running container accepts connections from outside, read from the kernel. Sends nothing.
 *
 * @returns undefined if this process cannot see them, for example inside another container.
 */
export async function listeningPorts(
  engine: Pick<Engine, "docker">,
  container: string,
): Promise<readonly number[] | undefined> {
  const info = await orMissing(engine.docker.getContainer(container).inspect());
  const pid = info?.State.Pid ?? 0;
  if (info === undefined || pid === 0) return undefined;
  try {
    // In another pid namespace this pid belongs to a different process.
    if (!(await readFile(`/proc/${pid}/cgroup`, "utf8")).includes(info.Id)) return undefined;
    const tables = await Promise.all(
      ["tcp", "tcp6"].map((name) => readFile(`/proc/${pid}/net/${name}`, "utf8").catch(() => "")),
    );
    return portsOf(tables.join("\n"));
  } catch {
    return undefined;
  }
}
