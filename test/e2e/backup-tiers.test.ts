import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { followLedger, keysBefore, type LedgerEntry } from "../lab/ledger.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { prober } from "../lab/prober.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { stopWriters } from "../lab/writers.ts";
import { type AgeKey, ageKey, type Caller, keeper, listed, stackFlags } from "./support/keeper.ts";
import { leaksIn, leaksInBytes } from "./support/leaks.ts";
import {
  atHand,
  type BackupAtHand,
  brokerKeys,
  component,
  missingFiles,
  openAll,
  postgresKeys,
  qdrantKeys,
  redisKeys,
  sqliteKeys,
  unpack,
} from "./support/opened.ts";
import { stateOf } from "./support/state.ts";

const tiers: readonly Tier[] = ["personal", "pro", "enterprise"];

// The largest tier is backed up under its writers in whole-stack, too, and read back from a restored stack.
cells(
  describe,
  tiers,
  (tier) => tier === "personal",
)("a %s stack that is written to", (tier) => {
  let stack: LabStack;
  let key: AgeKey;
  /** The one in the drawer: it opens alone what was made for both. */
  let recoveryKey: AgeKey;

  beforeAll(async () => {
    await ensureDockerUser();
    stack = await createStack({ tier, name: "backup", writers: 10, owner: dockerUser });
    key = await ageKey(stack);
    recoveryKey = await ageKey(stack, "recovery-key");
    for (const { identity } of [key, recoveryKey]) await chmod(identity, 0o644);
  });
  afterAll(async () => {
    await stack.down();
  });

  test("is backed up with every acknowledged write, and nobody notices", async () => {
    const ledger = followLedger(stack);
    await until("the writers write", 60_000, async () => ledger.entries().length > 100);
    const state = await stateOf(stack);
    const probing = prober(`${stack.gatewayUrl}/api/health`, 50, 10_000);
    const made = await backup("root");
    const seen = await probing.stop();
    expect(seen.failures).toEqual([]);
    expect(seen.probes).toBeGreaterThan(20);
    const entries = await ledger.stop();
    await stopWriters(stack);

    const opened = await atHand(made.path, key.identity, join(stack.scratch, "opened-root"));
    expect(Object.values(await openAll(opened))).not.toContain("unknown");
    expect(await missing(stack, opened, entries)).toEqual({});
    expect(await stateOf(stack)).toEqual(state);
    expect(await listed(stack, repository("root"))).toEqual([made.backupId]);

    // Nothing of it can be read without the identity; with it, the search does find something.
    expect(await leaksIn(repository("root"), stack.secrets)).toEqual([]);
    expect(leaksInBytes("output", made.output, stack.secrets)).toEqual([]);
    const unpacked = join(opened.room, "data", "config");
    expect(await leaksIn(unpacked, [stack.credentials.markers.file])).not.toEqual([]);
  });

  const alike = tier === "personal" ? {} : exhaustive;
  test(
    "is backed up alike by root and by a user who is only in the docker group",
    alike,
    async () => {
      // The test before stops them, too, but need not have run.
      await stopWriters(stack);
      const [root, user] = [await backup("root"), await backup("docker user")];
      const rooms = { root: join(stack.scratch, "a"), user: join(stack.scratch, "b") };
      const one = await atHand(root.path, key.identity, rooms.root);
      const other = await atHand(user.path, recoveryKey.identity, rooms.user);
      expect(other.components.map(facts)).toEqual(one.components.map(facts));
      expect(await openAll(other)).toEqual(await openAll(one));
      expect(await tree(await unpack(other, "data"))).toBe(await tree(await unpack(one, "data")));
      // Its files are this user's, and nobody else's.
      const owners = await run(["find", repository("docker user"), "-printf", "%u %m %y\n"]);
      const kinds = new Set(owners.trim().split("\n"));
      expect(kinds).toEqual(new Set([`${dockerUser} 600 f`, `${dockerUser} 700 d`]));
      expect(await leaksIn(repository("docker user"), stack.secrets)).toEqual([]);
      expect(leaksInBytes("output", user.output, stack.secrets)).toEqual([]);
    },
  );

  function repository(caller: Caller): string {
    return join(stack.scratch, `repository of ${caller}`);
  }

  async function backup(as: Caller) {
    if (as === "docker user") await ownDirectory(repository(as));
    const recipients = `${key.recipient},${recoveryKey.recipient}`;
    const flags = [...stackFlags(stack, repository(as)), "--recipients", recipients];
    const ended = await keeper(["backup", ...flags], { as });
    expect(ended.code, ended.stderr).toBe(0);
    const output = Buffer.from(ended.stdout + ended.stderr);
    return { ...(ended.result as { path: string; backupId: string }), output };
  }
});

/** What acknowledged writes a backup does not hold, by store; each store is asked as of when its copy was begun. */
async function missing(
  stack: LabStack,
  backup: BackupAtHand,
  entries: readonly LedgerEntry[],
): Promise<Record<string, string[]>> {
  const lost: Record<string, string[]> = {};
  const begun = (name: string) => Date.parse(component(backup, name).startedAt);
  const compare = (what: string, wanted: ReadonlySet<string>, held: ReadonlySet<string>) => {
    expect(wanted.size, what).toBeGreaterThan(10);
    const gone = [...wanted].filter((one) => !held.has(one));
    if (gone.length > 0) lost[what] = gone;
  };
  const directory = await unpack(backup, "data");
  const files = entries.filter(({ store, at }) => store === "file" && at < begun("data"));
  expect(files.length).toBeGreaterThan(10);
  const missingOnes = await missingFiles(directory, files);
  if (missingOnes.length > 0) lost.files = missingOnes;
  if (stack.tier === "personal") {
    compare("sqlite", keysBefore(entries, "sqlite", begun("data")), await sqliteKeys(directory));
    return lost;
  }
  const since = begun("postgres-sophon");
  compare("postgres", keysBefore(entries, "postgres", since), await postgresKeys(stack, backup));
  const points = keysBefore(entries, "qdrant", begun("qdrant-lab-writes"));
  compare("qdrant", points, await qdrantKeys(backup));
  if (stack.tier === "pro") return lost;
  compare("redis", keysBefore(entries, "redis", begun("redis")), await redisKeys(backup));
  const queues = await brokerKeys(stack, backup);
  for (const [queue, held] of Object.entries(queues)) {
    const written = entries.filter(({ target }) => target === queue);
    compare(queue, keysBefore(written, "rabbitmq", begun("rabbitmq")), held);
  }
  return lost;
}

async function ownDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await run(["chown", dockerUser, path]);
  await chmod(path, 0o700);
}

/** What two backups of the same content, a minute apart, must agree on. */
function facts({ name, store, counts }: BackupAtHand["components"][number]) {
  const { keys, "keys with a TTL": volatile, files, directories, bytes, ...stable } = counts;
  // Keys with a time to live may expire in between; the seed has one that lives for two minutes.
  if (store === "redis") return { name, store, lasting: Number(keys) - Number(volatile) };
  // A broker writes its own bookkeeping, and begins new files for it, also when nobody sends it anything.
  return { name, store, counts: store === "rabbitmq" ? stable : counts };
}

/** Every entry of an unpacked tree with mode, owner, time to the nanosecond, target and content. */
async function tree(directory: string): Promise<string> {
  const list = `find . -printf '%P %y %m %U %G %T@ %n %l\\n' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`;
  return await run(["bash", "-c", list], { cwd: directory });
}
