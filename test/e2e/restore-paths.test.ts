import { readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dockerUser } from "../lab/engine-user.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { keeper, stackFlags } from "./support/keeper.ts";
import { killedAtLine } from "./support/killed.ts";
import type { SmallStack } from "./support/small-stack.ts";
import { running, stackWithPlaces } from "./support/stack-with-places.ts";

const files = ["/dir/lost", "/dir/config/a", "/dir/config/b", "/dir/kept", "/one.conf", "/named/x"];

async function put(stack: SmallStack, word: string): Promise<void> {
  const said = await stack.sh(
    "app",
    `mkdir -p /dir/config; for at in ${files.join(" ")}; do echo ${word} >$at; done; sync`,
  );
  expect(said).toBe("");
}

/** What the service itself reads: the first word of each file. */
async function words(stack: SmallStack): Promise<string> {
  return (await stack.sh("app", `cat ${files.join(" ")} 2>&1`)).split("\n").join(" ");
}

async function done(stack: SmallStack, command: string, ...more: string[]) {
  const { code, stderr, result } = await stack.keeper(command, ...more);
  expect(code, stderr).toBe(0);
  return result;
}

/** Everything is newer than the backup; one file is lost, and one is new. */
async function prepared(name: string): Promise<SmallStack> {
  const stack = await stackWithPlaces(name);
  await put(stack, "saved");
  await done(stack, "backup");
  await put(stack, "newer");
  expect(await stack.sh("app", "rm /dir/lost /dir/config/b; echo new >/dir/config/new")).toBe("");
  return stack;
}

describe("files and directories of a running stack", () => {
  it("are restored in place, nothing else changes, and undo puts back what was there", async () => {
    await using stack = await prepared("paths");
    const kept = await stat(join(stack.data, "dir", "kept"));
    const before = await words(stack);
    const only = ["--path", "lost", "--path", "volume-dir/config"];
    const { plan } = await done(stack, "restore", ...only, "--dry-run");
    expect(plan.entries).toMatchObject([
      { path: "volume-dir/config", exists: true },
      { path: "volume-dir/lost", exists: false },
    ]);
    expect(await words(stack)).toBe(before);
    const restored = await done(stack, "restore", ...only);
    expect(restored).toMatchObject({
      result: "restored",
      entries: ["volume-dir/config", "volume-dir/lost"],
    });
    expect(await words(stack)).toBe("saved saved saved newer newer newer");
    // A directory is the one of the backup, and nothing else.
    expect(await stack.sh("other", "ls /dir/config")).toBe("a\nb");
    const now = await stat(join(stack.data, "dir", "kept"));
    expect([now.mtimeMs, now.mode, now.uid]).toEqual([kept.mtimeMs, kept.mode, kept.uid]);
    expect((await stat(join(stack.data, "dir"))).mode & 0o777).toBe(0o750);
    expect(await stack.states()).toBe(running);
    const [aside] = restored.setAside;
    expect(await readFile(join(aside, "config", "new"), "utf8")).toBe("new\n");
    await done(stack, "undo");
    expect(await words(stack)).toBe(before);
    expect(await stack.sh("other", "ls /dir/config")).toBe("a\nnew");
    expect(await stack.states()).toBe(running);
  });

  it("of several places are restored together, a mounted file as a whole", exhaustive, async () => {
    await using stack = await prepared("paths-many");
    const before = await words(stack);
    const { ino } = await stat(join(stack.data, "one.conf"));
    const restored = await done(stack, "restore", "--path", "one.conf\nx\n**/lost");
    expect(await words(stack)).toBe(`saved newer ${restAfter(before)}`);
    expect((await stat(join(stack.data, "one.conf"))).ino).toBe(ino);
    expect(restored.setAside).toHaveLength(3);
    await done(stack, "undo");
    expect(await words(stack)).toBe(before);
    expect(await stack.states()).toBe(running);
  });

  it("that is killed at any line of its journal are undone by recover", exhaustive, async () => {
    await using stack = await prepared("paths-kill");
    const before = await words(stack);
    const flags = ["--project-directory", stack.directory, "--repository", stack.repository];
    const argv = ["restore", ...flags, "--allow-shared-paths", "--path", "config\nx"];
    const lines: string[] = [];
    for (let line = 1; line < 100; line++) {
      const step = await killedAtLine(line, argv, stack.repository);
      if (step === undefined || step === "closed" || step === "restored") break;
      lines.push(step);
      await done(stack, "recover", "--project-name", stack.projectName);
      await until("as before", 60_000, async () => (await stack.states()) === running);
      expect(await words(stack), `killed at ${step}`).toBe(before);
      expect(await stack.sh("app", "ls -A /dir/config"), `killed at ${step}`).toBe("a\nnew");
    }
    expect(lines).toContain("set-aside");
    expect(lines).toContain("start");
    await done(stack, "recover", "--project-name", stack.projectName);
    expect(await words(stack)).toContain("saved saved newer newer saved");
  });

  it("that cannot be restored in place are refused before anything stops", exhaustive, async () => {
    await using stack = await prepared("paths-refused");
    const ids = await stack.compose(["ps", "--quiet"]);
    const before = await words(stack);
    const refused = async (path: string, text: string) => {
      const { code, result, stderr } = await stack.keeper("restore", "--path", path);
      expect(code, stderr).toBe(2);
      expect(result.reason.message).toContain(text);
      expect(await stack.compose(["ps", "--quiet"])).toBe(ids);
      expect(await words(stack)).toBe(before);
    };
    await refused("config/nothing", "nothing in");
    await refused("**/compose.yaml", "define the stack");
    await rename(join(stack.data, "dir", "config"), join(stack.data, "dir", "moved"));
    await symlink("/etc", join(stack.data, "dir", "config"));
    const { code, result, stderr } = await stack.keeper("restore", "--path", "config/a");
    expect(code, stderr).toBe(2);
    expect(result.reason).toMatchObject({ class: "path-blocked" });
    // The directory itself takes the place of the link.
    await done(stack, "restore", "--path", "config");
    expect(await stack.sh("app", "cat /dir/config/b")).toBe("saved");
    await stack.compose(["rm", "--stop", "--force", "app", "other"]);
    const gone = await stack.keeper("restore", "--path", "config");
    expect(gone.code, gone.stderr).toBe(2);
    expect(gone.result.reason).toMatchObject({ class: "no-container" });
  });

  it("that do not start again leave the stack as it was", exhaustive, async () => {
    await using stack = await prepared("paths-fail");
    const before = await words(stack);
    const { code, stderr } = await stack.keeper(
      ...["restore", "--path", "config", "--health-timeout", "1ms"],
    );
    expect(code, stderr).toBe(6);
    await until("as before", 60_000, async () => (await stack.states()) === running);
    expect(await words(stack)).toBe(before);
  });

  it("with a damaged part are not restored, and nothing stops", exhaustive, async () => {
    await using stack = await prepared("paths-damaged");
    const [ids, before] = [await stack.compose(["ps", "--quiet"]), await words(stack)];
    const { path } = (await done(stack, "list")).backups[0];
    const archive = join(path, "volume-dir.tar.zst");
    const bytes = await readFile(archive);
    bytes.fill(0x55, 8, 40);
    await writeFile(archive, bytes);
    const { code, stderr } = await stack.keeper("restore", "--path", "config");
    expect(code, stderr).toBe(4);
    expect(await stack.compose(["ps", "--quiet"])).toBe(ids);
    expect(await words(stack)).toBe(before);
  });
});

/** Everything but the first word, which told of the lost file. */
function restAfter(before: string): string {
  return before
    .slice("cat: /dir/lost: No such file or directory newer ".length)
    .replace(/newer newer$/, "saved saved");
}

it(
  "a restored SQLite database has its rows, and none of the log that the newer one left",
  exhaustive,
  async () => {
    await using stack = await createStack({
      tier: "personal",
      name: "paths-db",
      owner: dockerUser,
    });
    const at = [...stackFlags(stack, join(stack.scratch, "repository")), "--allow-shared-paths"];
    const as = "docker user";
    const live = join(stack.dataDir, "extra.db");
    const sql = async (text: string) => await run(["sqlite3", "-bail", live, text]);
    await sql("PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES ('saved');");
    const made = await keeper(["backup", ...at], { as });
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    // A log that nobody took into the file, as a killed program leaves it.
    await sql("CREATE TABLE u (y);");
    await run([
      ...["python3", "-c"],
      "import os,sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nc.execute(\"insert into t values ('newer')\")\nc.commit()\nos._exit(0)",
      live,
    ]);
    expect((await stat(`${live}-wal`)).size).toBeGreaterThan(0);
    const path = ["--path", "data/extra.db"];
    const restored = await keeper(["restore", ...at, ...path], { as });
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    expect(await sql("PRAGMA integrity_check; SELECT x FROM t")).toBe("ok\nsaved\n");
    const undone = await keeper(["undo", ...at], { as });
    expect(undone.result, undone.stderr).toMatchObject({ result: "restored" });
    expect(await sql("SELECT x FROM t")).toBe("saved\nnewer\n");
  },
);
