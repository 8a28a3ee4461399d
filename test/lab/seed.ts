import { join } from "node:path";
import type { LabStack } from "./lab-stack.ts";
import { run } from "./run.ts";
import { pythonImage } from "./sophon.ts";

/** How much of what is seeded. */
export interface SeedSize {
  readonly rows: number;
  readonly smallFiles: number;
  readonly fillBytes: number;
}

/** Fills the data directory, before the stack starts; see seed/files.py. */
export async function seedFiles(stack: LabStack, size: SeedSize): Promise<void> {
  const { vaultKey, credentials, markers } = stack.credentials;
  const given = { ...size, vaultKey: vaultKey.toString("base64"), credentials, markers };
  await labScript(stack, "seed/files.py", given, ["--network", "none"]);
}

/** Fills the databases, collections, keys and queues of a running stack; see seed/stores.py. */
export async function seedStores(stack: LabStack, size: SeedSize): Promise<void> {
  const stores = {
    personal: ["sqlite"],
    pro: ["postgres", "qdrant"],
    enterprise: ["postgres", "qdrant", "redis", "rabbitmq"],
  }[stack.tier];
  const given = { ...size, ...connections(stack), markers: stack.credentials.markers, stores };
  await labScript(stack, "seed/stores.py", given, ["--network", `${stack.projectName}_default`]);
}

/** Where the stores answer inside the stack's network, for the lab's Python scripts. */
export function connections(stack: Pick<LabStack, "credentials">) {
  const { postgresPassword, qdrantKey, redisPassword, rabbitmqPassword } = stack.credentials;
  return {
    postgres: { host: "postgres", dbname: "sophon", user: "sophon", password: postgresPassword },
    qdrant: { url: "http://qdrant:6333", key: qdrantKey },
    redis: { host: "redis", password: redisPassword },
    rabbitmq: { host: "rabbitmq", user: "sophon", password: rabbitmqPassword },
  };
}

/** Runs one of the lab's scripts as root in a container with the data directory at /data; input and output are JSON. */
export async function labScript(
  stack: Pick<LabStack, "dataDir">,
  script: string,
  given: unknown,
  options: readonly string[],
  access: "rw" | "ro" = "rw",
): Promise<unknown> {
  const output = await run(
    [
      ...["docker", "run", "--rm", "--interactive", "--label", "sophon-keeper.lab=1", ...options],
      ...["--volume", `${stack.dataDir}:/data:${access}`],
      ...["--volume", `${join(import.meta.dirname, script)}:/script.py:ro`],
      ...[pythonImage, "python3", "/script.py"],
    ],
    { input: JSON.stringify(given) },
  );
  return JSON.parse(output);
}
