import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import {
  leftForRoot,
  removeDead,
  removeNoted,
  temporaryDirectory,
  useWorkDirectory,
} from "../../../src/core/temp.ts";

const module = join(import.meta.dirname, "../../../src/core/temp.ts");

/** The temporary directory of a process that is killed while it is in use. */
async function ofKilled(parent: string): Promise<string> {
  const script = `const { temporaryDirectory } = await import(${JSON.stringify(module)});
    console.log((await temporaryDirectory("sophon-keeper-check-", ${JSON.stringify(parent)})).path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
  const [path] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  writeFileSync(join(path, "sophon.db"), "clear text");
  child.kill("SIGKILL");
  await once(child, "close");
  return path;
}

it("a run of any kind removes what a killed one left", async () => {
  await using parent = await temporaryDirectory("sophon-keeper-");
  const left = await ofKilled(parent.path);
  expect(existsSync(left)).toBe(true);
  await using other = await temporaryDirectory("sophon-keeper-inline-", parent.path);
  expect(existsSync(left)).toBe(false);
  await removeDead(parent.path);
  expect(existsSync(other.path)).toBe(true);
});

it.runIf(process.geteuid?.() === 0)(
  "leaves a directory of another user, and other names",
  async () => {
    await using parent = await temporaryDirectory("sophon-keeper-");
    const left = await ofKilled(parent.path);
    chownSync(left, 4242, 4242);
    const users = join(parent.path, `${basename(left)}-mine`);
    mkdirSync(users);
    await removeDead(parent.path);
    expect([existsSync(left), existsSync(users)]).toEqual([true, true]);
    chownSync(left, 0, 0);
    renameSync(left, `${left}.old`);
    await removeDead(parent.path);
    expect(existsSync(`${left}.old`)).toBe(true);
  },
);

/** A directory elsewhere, of a process that is killed while it fills it. The note is in `work`. */
async function notedByKilled(parent: string, work: string): Promise<string> {
  const script = `const { notedPath, useWorkDirectory } = await import(${JSON.stringify(module)});
    await useWorkDirectory(${JSON.stringify(work)});
    console.log((await notedPath(".sophon-keeper-restore-", ${JSON.stringify(parent)})).path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
  const [path] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  child.kill("SIGKILL");
  await once(child, "close");
  mkdirSync(path, { mode: 0o700 });
  // Also names that no text can say.
  mkdirSync(Buffer.concat([Buffer.from(`${path}/a`), Buffer.from([0xff])]));
  writeFileSync(
    Buffer.concat([Buffer.from(`${path}/a`), Buffer.from([0xff]), Buffer.from("/b")]),
    "",
  );
  writeFileSync(join(path, "sophon.db"), "clear text");
  return path;
}

describe("where a note leads to", () => {
  /** A directory of a user, and a repository with a note of a killed run that leads there. */
  async function noted() {
    const base = await temporaryDirectory("sophon-keeper-");
    const [around, work] = [join(base.path, "around"), join(base.path, "clear")];
    mkdirSync(around);
    const left = await notedByKilled(around, work);
    return { base, around, work, left };
  }

  it("is removed by the next run, and the note with it", async () => {
    const { base, around, work } = await noted();
    await using _ = base;
    await useWorkDirectory(work);
    expect([readdirSync(around), readdirSync(work)]).toEqual([[], []]);
  });

  it("stays if something else is there, which a link leads to", async () => {
    const { base, around, work, left } = await noted();
    await using _ = base;
    const precious = join(base.path, "precious");
    renameSync(left, precious);
    symlinkSync(precious, left);
    await useWorkDirectory(work);
    expect(readFileSync(join(precious, "sophon.db"), "utf8")).toBe("clear text");
    expect(readdirSync(around)).toEqual([basename(left)]);
    expect(readdirSync(work)).toEqual([]);
  });

  it("stays if it has not the name of the process that wrote the note", async () => {
    const { base, around, work, left } = await noted();
    await using _ = base;
    const mine = join(around, "mine");
    renameSync(left, mine);
    const [note = ""] = readdirSync(work);
    rmSync(join(work, note, "leads-to"));
    symlinkSync(mine, join(work, note, "leads-to"));
    await useWorkDirectory(work);
    expect(readdirSync(around)).toEqual(["mine"]);
  });

  it("is found again when its disk is back", async () => {
    const { base, around, work } = await noted();
    await using _ = base;
    renameSync(around, `${around}-away`);
    await useWorkDirectory(work);
    expect(readdirSync(work)).toHaveLength(1);
    renameSync(`${around}-away`, around);
    await useWorkDirectory(work);
    expect([readdirSync(around), readdirSync(work)]).toEqual([[], []]);
  });

  it.runIf(process.geteuid?.() === 0)(
    "is left to root if a helper container made it, and the note stays until then",
    async () => {
      const { base, around, work, left } = await noted();
      await using _ = base;
      const [note = ""] = readdirSync(work);
      for (const path of [base.path, around, work, join(work, note)]) chownSync(path, 4242, 4242);
      process.seteuid?.(4242);
      try {
        await useWorkDirectory(work);
        expect(await leftForRoot()).toEqual([left]);
        expect(readdirSync(work)).toEqual([note]);
      } finally {
        process.seteuid?.(0);
      }
      expect(await removeNoted(left)).toBe(true);
      process.seteuid?.(4242);
      try {
        await useWorkDirectory(work);
        expect(await leftForRoot()).toEqual([]);
        expect([readdirSync(around), readdirSync(work)]).toEqual([[], []]);
      } finally {
        process.seteuid?.(0);
      }
    },
  );
});
