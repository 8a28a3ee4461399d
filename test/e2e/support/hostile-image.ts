import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run } from "../../lab/run.ts";
import { pythonImage } from "../../lab/sophon.ts";

/** Counts the packets of a hostile image that the host sees, and the connections that reach the host. */
export interface Watcher extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  /** How often the host was reached. */
  reached(): number;
  /** Ends the count. */
  packets(): Promise<number>;
}

/** Listens on the host, and to every interface of it. */
export async function watchPackets(): Promise<Watcher> {
  let reached = 0;
  const listener = createServer((socket) => {
    reached += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, "0.0.0.0", resolve));
  const { port } = listener.address() as AddressInfo;
  const name = `n${randomBytes(8).toString("hex")}`;
  const script = join(import.meta.dirname, "sniffer.py");
  const child = spawn(
    "docker",
    [
      ...[
        "run",
        "--rm",
        "--interactive",
        "--network",
        "host",
        "--user",
        "0",
        "--cap-add",
        "NET_RAW",
      ],
      ...["--volume", `${script}:/sniffer.py:ro`, pythonImage],
      ...["python3", "/sniffer.py", String(port), name],
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const own = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).flatMap(({ address, internal }) =>
      internal || address.startsWith("fe80") ? [] : [address],
    ),
  );
  return {
    environment: {
      // Documentation addresses: nobody answers there, but a packet to them leaves the host.
      KEEPER_TEST_TARGETS: ["198.51.100.7", "2001:db8::7", ...own].join(" "),
      KEEPER_TEST_PORT: String(port),
      KEEPER_TEST_NAME: `${name}.example.com`,
    },
    reached: () => reached,
    packets: async () => {
      child.stdin.end();
      return Number((await lines.next()).value);
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** Publishes an image that prints secrets and calls out, and then starts a version of the gateway. */
export async function publishHostile(
  stack: LabStack,
  good: string,
  environment: Watcher["environment"],
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sk-hostile-"));
  try {
    const tag = `sk-hostile-${randomBytes(4).toString("hex")}`;
    await run(["cp", join(import.meta.dirname, "hostile.py"), directory]);
    const set = Object.entries(environment).map(([name, value]) => `ENV ${name}="${value}"`);
    const lines = [`FROM ${good}`, ...set, "COPY --chmod=644 hostile.py /hostile.py"];
    const command = `CMD ["python3", "/hostile.py", "python3", "/app/gateway.py"]`;
    await writeFile(join(directory, "Dockerfile"), [...lines, command, ""].join("\n"));
    await run(["docker", "build", "--quiet", "--tag", tag, directory]);
    const [host = ""] = good.split("/");
    const repository = (good.slice(host.length + 1).split(":")[0] ?? "").concat(":hostile");
    const reference = await stack.registry.push(tag, repository);
    await run(["docker", "rmi", tag]);
    return reference;
  } finally {
    await rm(directory, { recursive: true });
  }
}
