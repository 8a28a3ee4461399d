import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { LabStack, Tier } from "../../lab/lab-stack.ts";
import type { LedgerEntry } from "../../lab/ledger.ts";
import { run } from "../../lab/run.ts";
import { pythonImage } from "../../lab/sophon.ts";

const queues = ["lab.writes.quorum", "lab.writes.classic"];
const written: Readonly<Record<Tier, readonly string[]>> = {
  personal: ["file", "sqlite"],
  pro: ["file", "postgres", "qdrant"],
  enterprise: ["file", "postgres", "qdrant", "redis", ...queues],
};

/** Whether every store of a tier has some acknowledged writes since a moment. */
export function allWritten(tier: Tier, entries: readonly LedgerEntry[], sinceMs = 0): boolean {
  const late = entries.filter(({ at }) => at > sinceMs);
  return written[tier].every((what) => writesTo(what, late).length > 10);
}

function writesTo(what: string, entries: readonly LedgerEntry[]): LedgerEntry[] {
  return entries.filter(
    ({ store, target }) => (what === store && !target.endsWith(".log")) || what === target,
  );
}

/**
 * Compares what a restored stack holds of the writers with their ledger: every write that its store had acknowledged
 * before `sinceMs`, and none that was made after `untilMs`.
 */
export async function expectWritten(
  stack: LabStack,
  entries: readonly LedgerEntry[],
  sinceMs: number,
  untilMs: number,
): Promise<void> {
  const lost: Record<string, string[]> = {};
  const survived: Record<string, string[]> = {};
  for (const [what, held] of Object.entries(await keysOf(stack))) {
    const own = writesTo(what, entries);
    const early = own.filter(({ at }) => at < sinceMs);
    expect(early.length, what).toBeGreaterThan(5);
    const gone = early.filter(({ key }) => !held.has(key));
    if (gone.length > 0) lost[what] = gone.map(({ key }) => key);
    const late = own.filter(({ at, key }) => at > untilMs && held.has(key));
    if (late.length > 0) survived[what] = late.map(({ key }) => key);
  }
  expect({ lost, survived }).toEqual({ lost: {}, survived: {} });
}

/** The keys of the writes in each store of a running stack; those of the broker by queue. */
async function keysOf(stack: LabStack): Promise<Record<string, Set<string>>> {
  const names = await readdir(join(stack.dataDir, "skills", "lab"));
  const file = new Set(names.map((name) => name.replace(/\.md$/, "")));
  if (stack.tier === "personal") return { file, sqlite: await sqliteKeys(stack) };
  const found = { file, postgres: await postgresKeys(stack), qdrant: await qdrantKeys(stack) };
  if (stack.tier === "pro") return found;
  return { ...found, redis: await redisKeys(stack), ...(await brokerKeys(stack)) };
}

/** Read by the gateway's own user, who leaves no file that it cannot open. */
async function sqliteKeys(stack: LabStack): Promise<Set<string>> {
  const program =
    'import sqlite3; [print(k) for k, in sqlite3.connect("/data/data/sophon.db").execute("SELECT Key FROM LabWrites")]';
  return lines(await stack.compose(["exec", "-T", "sophon-gateway", "python3", "-c", program]));
}

async function postgresKeys(stack: LabStack): Promise<Set<string>> {
  const psql = ["psql", "-XAt", "-U", "sophon", "-d", "sophon"];
  const sql = 'SELECT "Key" FROM public."LabWrites"';
  return lines(await stack.compose(["exec", "-T", "postgres", ...psql, "-c", sql]));
}

async function qdrantKeys(stack: LabStack): Promise<Set<string>> {
  const answer = await fetch(`${stack.qdrantUrl}/collections/lab-writes/points/scroll`, {
    method: "POST",
    headers: { "api-key": stack.credentials.qdrantKey, "content-type": "application/json" },
    body: JSON.stringify({ limit: 100_000 }),
  });
  const { result } = (await answer.json()) as { result: { points: { id: string }[] } };
  return new Set(result.points.map(({ id }) => id));
}

async function redisKeys(stack: LabStack): Promise<Set<string>> {
  const argv = ["redis-cli", "-e", "--scan", "--pattern", "lab:write:*"];
  const found = await stack.compose(["exec", "-T", "redis", ...argv]);
  return new Set([...lines(found)].map((key) => key.slice("lab:write:".length)));
}

async function brokerKeys(stack: LabStack): Promise<Record<string, Set<string>>> {
  const id = await stack.containerId("rabbitmq");
  const script = join(import.meta.dirname, "messages.py");
  const told = await run(
    [
      ...["docker", "run", "--rm", "--network", `container:${id}`],
      ...["--env", "BROKER_USER=sophon", "--env", "BROKER_PASSWORD"],
      ...["--volume", `${script}:/script.py:ro`, pythonImage, "python3", "/script.py", ...queues],
    ],
    { env: { ...process.env, BROKER_PASSWORD: stack.credentials.rabbitmqPassword } },
  );
  const found = JSON.parse(told) as Record<string, string[]>;
  return Object.fromEntries(Object.entries(found).map(([queue, ids]) => [queue, new Set(ids)]));
}

function lines(text: string): Set<string> {
  return new Set(text.split("\n").filter((line) => line !== ""));
}
