import { readFile, stat } from "node:fs/promises";
import { realPath } from "../../core/real-path.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { type Finding, judgeOpenPorts, judgeSocket } from "./findings.ts";
import { firstLine } from "./first-line.ts";

/** The versions of engine and Compose, and who may use the engine. */
export async function judgeEngine({ host }: HostDependencies): Promise<Finding[]> {
  const { docker, endpoint, own } = await host.engine();
  const path = endpoint.slice("unix://".length);
  const [{ Version: version }, info, all, { mode, gid }] = await Promise.all([
    docker.version(),
    docker.info(),
    docker.listContainers({ all: true }),
    stat(path),
  ]);
  const compose = await firstLine("docker", ["compose", "version", "--short"]);
  const real = realPath(path);
  const holders = all
    .filter(({ Mounts }) => Mounts.some(({ Source = "" }) => realPath(Source) === real))
    .map(({ Names: [name = ""] }) => name.replace(/^\//, ""));
  const { group, members } = await groupOf(gid);
  return [
    { status: "pass", name: "engine", detail: version },
    { status: "pass", name: "compose", detail: compose ?? "unknown" },
    // A container has no list of the users of the host.
    ...(own === undefined ? [judgeSocket({ path, mode, group, members, holders })] : []),
    ...judgeOpenPorts((info as { Warnings?: string[] | null }).Warnings ?? []),
  ];
}

/** A group by its number, with the users whose first group it is. */
async function groupOf(gid: number): Promise<{ group: string; members: string[] }> {
  const fields = (text: string) => text.split("\n").map((line) => line.split(":"));
  const groups = fields(await readFile("/etc/group", "utf8"));
  const users = fields(await readFile("/etc/passwd", "utf8"));
  const [group = String(gid), , , named = ""] = groups.find(([, , id]) => id === String(gid)) ?? [];
  const first = users.flatMap(([user = "", , uid, id]) =>
    id === String(gid) && uid !== "0" ? [user] : [],
  );
  const members = [...named.split(","), ...first].filter((member) => member !== "");
  return { group, members: [...new Set(members)] };
}
