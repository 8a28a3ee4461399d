import { readFile } from "node:fs/promises";
import type { Engine } from "./engine.ts";
import { orMissing } from "./inspect.ts";

/** The kernel assigns ports from here on at random (`ip_local_port_range`); they are not fixed ports of a server. */
const firstRandomPort = 32_768;
const listening = "0A";

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

/** Reads `/proc/net/tcp` and `tcp6` (proc(5)): address and port in hex, then the state. */
export function portsOf(table: string): number[] {
  const ports = [...table.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2})/gm)]
    .filter(([, address = "", , state]) => state === listening && !isLoopback(address))
    .map(([, , port = ""]) => Number.parseInt(port, 16))
    .filter((port) => port > 0 && port < firstRandomPort);
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

/** 127.0.0.0/8 (also as an IPv6 address) and ::1, each group of four bytes in host byte order. */
function isLoopback(address: string): boolean {
  return /^(0{16}FFFF0000)?[0-9A-F]{6}7F$|^0{24}01000000$/.test(address);
}
