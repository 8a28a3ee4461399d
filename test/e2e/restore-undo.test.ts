import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cells, exhaustive } from "../lab/matrix.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { killedAtLine } from "./support/killed.ts";
import { backedUp, differences, ready, succeed } from "./support/restored.ts";
import type { SmallStack } from "./support/small-stack.ts";
import { running, stackWithPlaces } from "./support/stack-with-places.ts";

async function put(stack: SmallStack, word: string): Promise<void> {
  const said = await stack.sh("app", `echo ${word} | tee /dir/x /named/x >/one.conf; sync`);
  expect(said).toBe("");
}

/** What the service itself reads. */
async function words(stack: SmallStack): Promise<string> {
  return (await stack.sh("app", "cat /dir/x /one.conf /named/x")).split("\n").join(" ");
}

const of = (word: string) => `${word} ${word} ${word}`;

async function done(stack: SmallStack, command: string, ...more: string[]) {
  const { code, stderr, result } = await stack.keeper(command, ...more);
  expect(code, stderr).toBe(0);
  return result;
}

describe("the undo of a restore", () => {
  it("brings back what the restore set aside and keeps what it brought, until somebody removes it", async () => {
    await using stack = await stackWithPlaces("undo");
    await put(stack, "saved");
    await done(stack, "backup");
    const nothing = await stack.keeper("undo");
    expect(nothing.code, nothing.stderr).toBe(2);
    expect(nothing.result.reason.class).toBe("nothing-to-undo");
    await put(stack, "newer");
    const [{ ino }, owner] = [
      await stat(join(stack.data, "one.conf")),
      (await stat(join(stack.data, "dir"))).mode,
    ];
    await done(stack, "restore");
    expect(await words(stack)).toBe(of("saved"));
    await put(stack, "work");

    const undone = await done(stack, "undo");
    expect(await words(stack)).toBe(of("newer"));
    expect(await stack.states()).toBe(running);
    expect((await stat(join(stack.data, "one.conf"))).ino).toBe(ino);
    expect((await stat(join(stack.data, "dir"))).mode).toBe(owner);
    const listed = await done(stack, "list");
    const paths = listed.setAside.map(({ path }: { path: string }) => path);
    expect(new Set(paths)).toEqual(new Set(undone.setAside));
    const { setAside } = await done(stack, "list");
    const one = setAside.find(({ path }: { path: string }) => path.includes("/dir."));
    await rename(one.path, `${one.path}.gone`);
    const refused = await stack.keeper("undo");
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason.message).toContain("has been removed");
    expect(await words(stack)).toBe(of("newer"));
    expect(await stack.states()).toBe(running);
  });

  it("can be planned first, and undone itself", exhaustive, async () => {
    await using stack = await stackWithPlaces("undo-twice");
    await put(stack, "saved");
    await done(stack, "backup");
    await put(stack, "newer");
    const restored = await done(stack, "restore");
    await put(stack, "work");
    const planned = await done(stack, "undo", "--dry-run");
    const from = planned.plan.content.map((one: { from: string }) => one.from);
    expect(new Set(from)).toEqual(new Set(restored.setAside));
    expect(await words(stack)).toBe(of("work"));
    await done(stack, "undo");
    expect(await words(stack)).toBe(of("newer"));
    // And the undo is undone: what was written after the restore is back.
    await done(stack, "undo");
    expect(await words(stack)).toBe(of("work"));
    expect(await stack.states()).toBe(running);
  });

  it("is refused after an upgrade, and after somebody took a place away", exhaustive, async () => {
    await using stack = await stackWithPlaces("undo-late");
    await put(stack, "saved");
    await done(stack, "backup");
    await put(stack, "newer");
    await done(stack, "restore");
    const upgraded = await stack.upgrade({ app: 2 });
    expect(upgraded.code, upgraded.stderr).toBe(0);
    const late = await stack.keeper("undo");
    expect(late.code, late.stderr).toBe(2);
    expect(late.result.reason).toMatchObject({ class: "changed-since" });
    expect(await words(stack)).toBe(of("saved"));
    expect(await stack.versions()).toMatchObject({ app: "2" });
    // Back to the image of the backup: what was before that restore ran the newer one.
    await put(stack, "upgraded");
    await done(stack, "restore");
    expect(await stack.versions()).toMatchObject({ app: "1" });
    expect(await words(stack)).toBe(of("saved"));
    await done(stack, "undo");
    expect(await stack.versions()).toMatchObject({ app: "2", other: "1" });
    expect(await words(stack)).toBe(of("upgraded"));
    expect(await stack.states()).toBe(running);
    // A plain `up` finds nothing to do.
    const before = await stack.compose(["ps", "--all", "--quiet"]);
    await stack.compose(["up", "--detach"]);
    expect(await stack.compose(["ps", "--all", "--quiet"])).toBe(before);
    await done(stack, "undo");
    expect(await stack.versions()).toMatchObject({ app: "1" });
    expect(await words(stack)).toBe(of("saved"));
    const file = join(stack.directory, "compose.yaml");
    await writeFile(
      file,
      (await readFile(file, "utf8")).replace(`, "${stack.data}/one.conf:/one.conf"`, ""),
    );
    await stack.compose(["up", "--detach", "--wait"]);
    const gone = await stack.keeper("undo");
    expect(gone.code, gone.stderr).toBe(2);
    expect(gone.result.reason.message).toContain("one.conf mounted any more");
  });

  it(
    "that fails leaves the restored stack and what was set aside as they were",
    exhaustive,
    async () => {
      await using stack = await stackWithPlaces("undo-fails");
      await put(stack, "saved");
      await done(stack, "backup");
      await put(stack, "newer");
      await done(stack, "restore");
      await put(stack, "work");
      const before = await done(stack, "list");
      const failed = await stack.keeper("undo", "--health-timeout", "1ms");
      expect(failed.code, failed.stderr).toBe(6);
      expect(failed.result.reason.message).toContain("the undo failed");
      await until("as before", 60_000, async () => (await stack.states()) === running);
      expect(await words(stack)).toBe(of("work"));
      expect((await done(stack, "list")).setAside).toEqual(before.setAside);
      await done(stack, "undo");
      expect(await words(stack)).toBe(of("newer"));
    },
  );

  cells(
    it,
    ["with the same image", "to another image"],
    () => false,
  )("that is killed at any line of its journal, %s, is undone by recover", async (images) => {
    await using stack = await stackWithPlaces(
      images === "with the same image" ? "undo-kill" : "undo-kill-image",
    );
    await put(stack, "saved");
    await done(stack, "backup");
    if (images === "to another image") {
      const upgraded = await stack.upgrade({ app: 2 });
      expect(upgraded.code, upgraded.stderr).toBe(0);
    }
    await put(stack, "newer");
    await done(stack, "restore");
    await put(stack, "work");
    const [before, versions] = [await done(stack, "list"), await stack.versions()];
    const flags = ["--project-directory", stack.directory, "--repository", stack.repository];
    const argv = ["undo", ...flags, "--allow-shared-paths"];
    const lines: string[] = [];
    for (let line = 1; line < 100; line++) {
      const step = await killedAtLine(line, argv, stack.repository);
      if (step === undefined || step === "closed" || step === "restored") break;
      lines.push(step);
      await done(stack, "recover", "--project-name", stack.projectName);
      await until("as before", 60_000, async () => (await stack.states()) === running);
      expect(await words(stack), `killed at ${step}`).toBe(of("work"));
      expect(await stack.versions(), `killed at ${step}`).toEqual(versions);
      expect((await done(stack, "list")).setAside, `killed at ${step}`).toEqual(before.setAside);
    }
    expect(lines).toContain("exchange");
    expect(lines).toContain("start");
    expect(lines.includes("create")).toBe(images === "to another image");
    await done(stack, "recover", "--project-name", stack.projectName);
    expect(await words(stack)).toBe(of("newer"));
  });

  it("of a whole enterprise stack brings every store back", exhaustive, async () => {
    await using stack = await createStack({ tier: "enterprise", name: "undo-all" });
    const on = await backedUp(stack);
    await succeed(on, "backed-up", "backup");
    await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
    const psql = ["exec", "-T", "postgres", "psql", "-U", "sophon", "-c"];
    await stack.compose([...psql, "create table newer_than_the_backup (id int)"]);
    const before = await snapshot(stack);
    await succeed(on, "restored", "restore");
    await ready(stack);
    expect(await readdir(stack.dataDir)).not.toContain("newer-than-the-backup");
    await succeed(on, "restored", "undo");
    await ready(stack);
    expect(differences(before, await snapshot(stack))).toEqual([]);
    await succeed(on, "unchanged", "recover");
  });
});
