import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { storeImages } from "./images.ts";
import type { StackOptions, Tier } from "./lab-stack.ts";
import type { StackSecrets } from "./secrets.ts";
import { qdrantImage } from "./sophon.ts";

/** The lines of `.env` that name the stores' images and passwords. */
export function storeEnv(
  tier: Tier,
  credentials: StackSecrets,
  qdrantPort: number,
): Record<string, string> {
  const pro = {
    POSTGRES_IMAGE: storeImages.postgres17,
    QDRANT_IMAGE: qdrantImage(),
    QDRANT_PORT: String(qdrantPort),
    POSTGRES_PASSWORD: credentials.postgresPassword,
    QDRANT_API_KEY: credentials.qdrantKey,
  };
  if (tier === "pro") return pro;
  return {
    ...pro,
    REDIS_IMAGE: storeImages.redis8,
    RABBITMQ_IMAGE: storeImages.rabbitmq4,
    REDIS_PASSWORD: credentials.redisPassword,
    RABBITMQ_PASSWORD: credentials.rabbitmqPassword,
  };
}

/** The lines of `.env` that let the writers run from the start. */
export function writerEnv(writers: boolean | number | undefined): Record<string, string> {
  if (writers === undefined || writers === false) return {};
  return { LAB_WRITERS: "1", ...(writers === true ? {} : { LAB_WRITERS_RATE: String(writers) }) };
}

/** Writes `.env`, and the compose file where the test wants another. */
export async function writeProject(
  directory: string,
  options: StackOptions,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  // Single quotes: compose reads what is between them as it is, `$` included.
  const lines = Object.entries(env).map(([key, value]) =>
    /[^\w./:-]/.test(value) ? `${key}='${value}'` : `${key}=${value}`,
  );
  await writeFile(join(directory, ".env"), `${lines.join("\n")}\n`, { mode: 0o600 });
  if (options.edit === undefined) return;
  const path = join(directory, "docker-compose.yml");
  await writeFile(path, options.edit(await readFile(path, "utf8")));
}

/** Free ports below the range from which the kernel takes those of outgoing connections. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (listening) await new Promise((resolve) => server.close(resolve));
  return listening;
}
