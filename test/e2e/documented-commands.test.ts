// @module-tag exhaustive
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { expect, it } from "vitest";
import { testCredentials } from "../contract/destinations/s3-subject.ts";
import { rcloneServed } from "../contract/destinations/served.ts";
import { baseImage, ensureBaseImage } from "../lab/base-image.ts";
import { diff } from "../lab/compare.ts";
import { Documented, type runBy } from "../lab/documented.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { ensureAws } from "../lab/object-stores.ts";
import { run, tryRun } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { labLabel } from "../lab/state.ts";
import { badVersions, goodVersions } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { removeAll } from "./support/bare.ts";
import { byHand } from "./support/by-hand.ts";
import { ageKey, keeper } from "./support/keeper.ts";
import { PageShell } from "./support/page-shell.ts";

// The commands of the pages, word for word. What stands in for the names of a page is told to the shell.

const root = join(import.meta.dirname, "../..");
/** A socket is in no backup; what was moved aside is still there, and what Qdrant was given too. */
const ignore = [/agent\.sock: lost/, /_before/, /qdrant: .* snapshots left on the server/];
/** The password of the server's own role is hashed anew, with another salt. */
const unequal = [...ignore, /postgres: role sophon: .*SCRAM-SHA-256/];

/** What every run on a stack needs stands in its configuration file, as the pages say. */
async function configured(
  stack: LabStack,
  {
    lines = [],
    repository = join(stack.scratch, "repository"),
  }: { lines?: string[]; repository?: string } = {},
) {
  const { identity, recipient } = await ageKey(stack);
  // Beside this test there may run a machine that sees the whole lab.
  const common = ["allow-shared-paths: true", `repository: ${repository}`];
  const keys = [`recipients: ["${recipient}"]`, `identity-file: ${identity}`];
  const text = [...common, ...keys, ...lines, ""].join("\n");
  await writeFile(join(stack.directory, "sophon-keeper.yaml"), text);
  const command = async (name: string, ...flags: string[]) => {
    const ended = await keeper([name, ...flags], { cwd: stack.directory });
    expect(ended.code, ended.stderr).toBe(0);
    return ended.result;
  };
  return { repository, identity, recipient, command };
}

/** What a newer version does to a stack. */
async function change(stack: LabStack, sql = "CREATE TABLE newer (id int)"): Promise<void> {
  await writeFile(join(stack.dataDir, "left-by-a-newer-version"), "new");
  const psql = ["psql", "-q", "-U", "sophon", "-d", "sophon", "-c", sql];
  await stack.compose(["exec", "-T", "postgres", ...psql]);
}

/** What a bad night does to a stack. */
async function wreck(stack: LabStack): Promise<void> {
  await change(stack, 'DROP TABLE "Messages" CASCADE; CREATE TABLE newer (id int)');
  await rm(join(stack.dataDir, "security"), { recursive: true });
  await stack.compose(["exec", "-T", "redis", "redis-cli", "-e", "FLUSHALL"]);
}

/** Brings a wrecked stack back by hand, from a backup that is a directory. */
async function followPage(
  commands: string,
  stack: LabStack,
  { backup, identity, signer }: { backup: string; identity: string; signer: string },
): Promise<void> {
  const shell = await PageShell.open(stack, {
    "/var/lib/sophon-keeper/sophon/backups/sophon-20260102T030405Z-1a2b": backup,
    "/root/key.txt": identity,
    "PROJECT=sophon ": `PROJECT=${stack.projectName} `,
    "/srv/sophon-data": stack.dataDir,
    "http://127.0.0.1:6333": stack.qdrantUrl,
    "QDRANT_KEY=...": `QDRANT_KEY=${stack.credentials.qdrantKey}`,
    "/srv/sophon": stack.directory,
  });
  await cp(`${signer}.pub`, join(stack.directory, "sign-key.pub"));
  await shell.run(commands, stack.scratch);
}

/** What differs between two data directories, but for sockets, pipes and databases that are in use. */
async function unequalFiles(a: string, b: string): Promise<string> {
  const without = ["agent.sock", "pipe", "*.db*"].map((name) => `--exclude=${name}`);
  return await run(["diff", "--recursive", "--no-dereference", ...without, a, b]);
}

/** Where the engine keeps its volumes. */
async function volumesDirectory(): Promise<string> {
  const root = (await run(["docker", "info", "--format", "{{.DockerRootDir}}"])).trim();
  return join(root, "volumes");
}

const ownSigner = "/etc/sophon-keeper/sign-key";
const byHandPage = "docs/recovery.md: By hand, without the tool";

const recipes: Readonly<Record<keyof typeof runBy, (page: Documented) => Promise<void>>> = {
  "a new host": async (page) => {
    await using stack = await createStack({ tier: "personal", name: "page-begin" });
    const repository = join(stack.scratch, "repository");
    await writeFile(join(stack.directory, "sophon-keeper.yaml"), `repository: ${repository}\n`);
    const shell = await PageShell.open(
      stack,
      { "/srv/sophon": stack.directory },
      {
        // The checkout in place of what GitHub has of it.
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: `url.${root}.insteadOf`,
        GIT_CONFIG_VALUE_0: "https://github.com/sophon-keeper/sophon-keeper",
      },
    );
    const key = join(shell.home, "sophon-backup.key");
    const start = page.take("README.md: Quick start", 1);
    const [doctor = "", init = ""] = start.trim().split("\n");
    await expect(shell.run(doctor, shell.home)).rejects.toThrow("failed: newest backup: there is");
    const told = await shell.runAtTerminal(init, shell.home, 5);
    expect(told).toContain("level restore");
    expect(await readdir(join(shell.home, "sophon-keeper-keys"))).toContain("verify.key");
    await shell.run(page.take("README.md: Quick start", 1), shell.home);
    const planned = await shell.run(page.take("README.md: Quick start"), shell.home);
    expect(planned).toContain("data");
    const recipients = ["--recipients", (await run(["age-keygen", "-y", key])).trim()];
    const made = await keeper(["backup", ...recipients], { cwd: stack.directory });
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const restored = join(stack.scratch, "restored");
    await mkdir(restored);
    await cp(key, join(made.result.path, basename(key)));
    shell.env.SOPHON_DATA = restored;
    await shell.run(page.take("README.md: Restore by hand"), made.result.path);
    expect(await unequalFiles(stack.dataDir, restored)).toBe("");
  },

  "a lost file": async (page) => {
    await using stack = await createStack({ tier: "pro", name: "page-lost" });
    const { command } = await configured(stack);
    const file = join(stack.dataDir, "config/models.json");
    const text = await readFile(file, "utf8");
    const first = await command("backup");
    const older = `${text}\n`;
    await writeFile(file, older);
    const second = await command("backup");
    const site = join(stack.scratch, "backups.html");
    const shell = await PageShell.open(stack, {
      "/srv/www/backups.html": site,
      "/srv/sophon": stack.directory,
      "sophon-sophon-gateway-1": `${stack.projectName}-sophon-gateway-1`,
      PROJECT: stack.projectName,
      "--backup ID --against ID": `--backup ${first.backupId} --against ${second.backupId}`,
    });
    const runs = async (section: string) =>
      await shell.run(page.take(`docs/${section}`), stack.directory);
    expect(await runs("config.md: Configuration file")).toContain("sophon-keeper.yaml");
    expect(await runs("lost-file.md: How do I get one lost file back?")).toContain("models.json");
    const found = join(stack.directory, "found/data/config/models.json");
    expect(await readFile(found, "utf8")).toBe(older);
    const newer = `${text}\n\n`;
    await writeFile(file, newer);
    await runs("lost-file.md: Back into its place");
    expect(await readFile(file, "utf8")).toBe(newer);
    expect(await runs("lost-file.md: Which backup still has it?")).toContain(first.backupId);
    expect(await runs("lost-file.md: What has changed since?")).toContain("config/models.json");
    await rm(join(stack.directory, "found"), { recursive: true });
    const section = "docs/lost-file.md: One database or one collection";
    await shell.run(page.take(section, 1), stack.directory);
    const rows = async (database: string) => {
      const psql = ["exec", "-T", "postgres", "psql", "-U", "sophon", "-At", "-d", database];
      return await stack.compose([...psql, "-c", 'SELECT count(*) FROM "Messages"']);
    };
    expect(await rows("sophon_found")).toBe(await rows("sophon"));
    const before = await snapshot(stack);
    await shell.run(page.take(section), stack.directory);
    expect(diff(before, await snapshot(stack), { ignore: unequal })).toEqual([]);
    const scan = page.take("docs/log-scan.md: The migration log scan").trim().split("\n");
    const [ofRunning = "", ofEnded = ""] = scan;
    expect(await shell.run(ofRunning, stack.directory)).toContain("clean");
    // The container has not ended.
    await expect(shell.run(ofEnded, stack.directory)).rejects.toThrow('"result":"failed"');
    expect(await runs("operation.md: An interrupted run")).toContain("unchanged");
    await runs("report.md: What became of each night");
    expect(await readFile(site, "utf8")).toContain(second.backupId);
  },

  "an upgrade": async (page) => {
    await using stack = await createStack({ tier: "personal", name: "page-upgrade" });
    const { repository, identity, command } = await configured(stack, { lines: ["soak: 3s"] });
    const image = await stack.publish(goodVersions["1.2.0"]);
    const shell = await PageShell.open(stack, {
      "/srv/sophon": stack.directory,
      "buildersoftdev/sophon:1.3.0": image,
    });
    await shell.run(page.take("docs/upgrade.md: Live upgrade"), stack.scratch);
    const container = await stack.containerId("sophon-gateway");
    const runsNow = ["docker", "inspect", "--format", "{{.Config.Image}}", container];
    expect((await run(runsNow)).trim()).toBe(image);
    const bad = await stack.publish(badVersions["crash-loop"]);
    const failed = await keeper(["upgrade-test", "--images", `sophon-gateway=${bad}`], {
      cwd: stack.directory,
    });
    expect(failed.result, failed.stderr).toMatchObject({ result: "rolled-back" });
    const [id = ""] = await readdir(join(repository, "failed"));
    shell.env.KEY = identity;
    await shell.run(page.take("docs/recovery.md: What a failed version wrote"), stack.scratch, {
      "/var/lib/sophon-keeper/sophon/failed/ID": join(repository, "failed", id),
    });
    expect(await readdir(join(stack.scratch, "failed-data"))).not.toEqual([]);
    expect(await command("list")).toMatchObject({ result: "listed" });
  },

  "the worst night": async (page) => {
    await using stack = await createStack({ tier: "pro", name: "page-night" });
    // The default, which the commands of an empty host and of another directory find.
    const repository = join("/var/lib/sophon-keeper", stack.projectName);
    const usb = join(stack.scratch, "usb");
    try {
      const { identity, command } = await configured(stack, { repository, lines: ["soak: 3s"] });
      const made = await command("backup");
      const before = await snapshot(stack);
      await cp(made.path, join(usb, made.backupId), { recursive: true });
      const shell = await PageShell.open(stack, {
        "/srv/sophon": stack.directory,
        "/srv": dirname(stack.directory),
        "/var/lib/docker/volumes": await volumesDirectory(),
        "/mnt/usb/sophon-20260102T030405Z-1a2b": join(usb, made.backupId),
        "--project-name sophon": `--project-name ${stack.projectName}`,
      });
      await cp(identity, join(shell.home, "key.txt"));
      const runs = async (section: string, count?: number) =>
        await shell.run(page.take(`docs/recovery.md: ${section}`, count), shell.home);
      await change(stack);
      const changed = await snapshot(stack);
      await runs("With the tool", 1);
      expect(diff(before, await snapshot(stack), { ignore: unequal })).toEqual([]);
      await runs("Undo a restore");
      expect(diff(changed, await snapshot(stack), { ignore: unequal })).toEqual([]);
      const { setAside } = await command("list");
      const paths = setAside.map(({ path }: { path: string }) => path);
      const found = (await runs("Remove what was set aside")).trim().split("\n");
      expect(found).toEqual(expect.arrayContaining(paths));

      const bare = page.take("docs/recovery.md: With the tool", 1);
      await runs("With the tool");
      const copy = join(shell.home, "copy/data");
      await removeAll(stack);
      await shell.run(bare, shell.home);
      expect(diff(before, await snapshot(stack), { ignore: unequal })).toEqual([]);
      expect(await unequalFiles(stack.dataDir, copy)).toBe("");
    } finally {
      await rm(repository, { recursive: true, force: true });
    }
  },

  "a manual backup": async (page) => {
    await using stack = await createStack({ tier: "personal", name: "page-manual" });
    await configured(stack);
    const made = await byHand(stack, "data");
    const [archive = ""] = await readdir(made);
    const state = await gatewayState(stack);
    await rm(join(stack.dataDir, "security"), { recursive: true });
    const shell = await PageShell.open(stack, {
      "/srv/sophon": stack.directory,
      "sophon-backup-20260324.tar.gz": archive,
      "/srv/by-hand/": `${made}/`,
    });
    await shell.run(page.take("docs/recovery.md: From a manual backup"), made);
    expect(existsSync(join(stack.dataDir, "security/vault.key"))).toBe(true);
    expect(await gatewayState(stack)).toEqual(state);
  },

  "no tool": async (page) => {
    await using stack = await createStack({ tier: "enterprise", name: "page-by-hand" });
    const { identity, command } = await configured(stack, { lines: ["incremental: true"] });
    const { path: full } = await command("backup");
    const before = await snapshot(stack);
    const blocks = page.take(byHandPage, 3);
    const incremental = page.take(byHandPage, 1);
    const { path: backup } = await command("backup");
    await wreck(stack);
    const given = { backup: full, identity, signer: ownSigner };
    await followPage(`${blocks}\n${page.take(byHandPage)}`, stack, given);
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });

    const restored = join(stack.scratch, "restored");
    await mkdir(restored);
    const shell = await PageShell.open(
      stack,
      { FULL: basename(full) },
      { BACKUP: backup, KEY: identity, SOPHON_DATA: restored },
    );
    await shell.run(incremental, stack.scratch);
    expect(await unequalFiles(stack.dataDir, restored)).toBe("");
  },

  "a bucket": async (page) => {
    const aws = await ensureAws();
    await using bucket = await rcloneServed();
    await using stack = await createStack({ tier: "enterprise", name: "page-bucket" });
    const signKey = join(stack.scratch, "sign-key");
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", signKey]);
    const { repository, identity, command } = await configured(stack, {
      lines: [
        `sign-key: ${signKey}`,
        `upload-endpoint: ${bucket.endpoint}`,
        "upload-path-style: true",
      ],
    });
    const made = await command("backup");
    const before = await snapshot(stack);
    const shell = await PageShell.open(
      stack,
      {
        "s3://my-backups/sophon": "s3://bucket/off/site",
        "/PROJECT/ID": `/${stack.projectName}/${made.backupId}`,
        "/PROJECT/latest": `/${stack.projectName}/latest`,
        "--identity sophon-backup.key": `--identity ${identity}`,
      },
      { ...testCredentials, AWS_ENDPOINT_URL: bucket.endpoint, AWS_DEFAULT_REGION: "us-east-1" },
    );
    await shell.run(page.take("docs/off-host.md: A bucket"), stack.directory);
    await rm(repository, { recursive: true });
    await wreck(stack);
    const back = "docs/off-host.md: Back from a bucket";
    await shell.run(page.take(back, 1), stack.directory);
    expect(diff(before, await snapshot(stack), { ignore: unequal })).toEqual([]);

    await wreck(stack);
    const copy = join(stack.scratch, "copy");
    await mkdir(copy);
    Object.assign(shell.env, {
      PATH: `${aws}:${shell.env.PATH}`,
      BUCKET: "s3://bucket/off/site",
      PROJECT: stack.projectName,
      ID: made.backupId,
      KEY: identity,
    });
    await shell.run(page.take(back), copy);
    const blocks = new Documented("no tool");
    const first = blocks.take(byHandPage, 2);
    // The signature of a copy is that of its checksums, and no incremental backup is here.
    blocks.take(byHandPage, 2);
    const given = { backup: copy, identity, signer: signKey };
    await followPage(`${first}\n${blocks.take(byHandPage)}`, stack, given);
    expect(diff(before, await snapshot(stack), { ignore: unequal })).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
  },

  "a container": async (page) => {
    await ensureBaseImage();
    await using stack = await createStack({ tier: "personal", name: "page-container" });
    const { recipient } = await ageKey(stack);
    const image = `sophon-keeper-lab/program:${stack.projectName}`;
    const label = `--label ${labLabel}=1 --build-arg BASE=${baseImage()}`;
    const packages = join(stack.scratch, "packages");
    const shell = await PageShell.open(stack, {
      "node scripts/package.ts packages": `node scripts/package.ts ${packages}`,
      "docker build --file Dockerfile --tag sophon-keeper packages": `docker build ${label} --file Dockerfile --tag ${image} ${packages}`,
      "ghcr.io/sophon-keeper/sophon-keeper": image,
      "/srv/sophon": stack.directory,
      "age1...": recipient,
    });
    const repository = join("/var/lib/sophon-keeper", stack.projectName);
    try {
      await shell.run(page.take("docs/container.md: Building it"), root);
      await shell.run(page.take("docs/container.md: How does it run in a container?"), root);
      expect(await readdir(join(repository, "backups"))).toHaveLength(1);
    } finally {
      await tryRun(["docker", "rmi", "--force", image]);
      await rm(repository, { recursive: true, force: true });
    }
  },

  "an installation": async (page) => {
    const scratch = join(root, "node_modules/.cache/sophon-keeper-page");
    const modules = join(scratch, "lib/node_modules");
    await mkdir(modules, { recursive: true });
    await symlink(root, join(modules, "sophon-keeper")).catch(() => undefined);
    try {
      const shell = await PageShell.open({ scratch }, {}, { npm_config_prefix: scratch });
      const source = page.take("docs/install.md: With a Node inside");
      const told = await shell.run(`${source}\ncomplete -p sophon-keeper`, scratch);
      expect(told).toContain("sophon-keeper");
    } finally {
      await rm(scratch, { recursive: true });
    }
  },
};

it.each(Object.keys(recipes) as (keyof typeof runBy)[])(
  "the commands that the pages state for %s, word for word",
  { timeout: 1_800_000 },
  async (name) => {
    const page = new Documented(name);
    await recipes[name](page);
    expect(page.left).toEqual([]);
  },
);
