import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DamagedError, RefusedError, UploadFailedError } from "../../../src/core/errors.ts";
import type { FileDestination } from "../../../src/destinations/destination.ts";
import { type MadeBackup, madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";

/** A service that keeps a backup as one file, as the conformance suite needs it. */
export interface FileSubject extends AsyncDisposable {
  readonly destination: FileDestination;
  /** Changes one byte of what was sent last, as a disk does. */
  damage(): Promise<void>;
  /** How many files there are that a reader would find. */
  count(): Promise<number>;
  /** Empties it. */
  clear(): Promise<void>;
  /** What the client sent that the service does not take. */
  wrong(): readonly string[];
}

/** What every service promises that keeps a backup as one file: as {@link remoteConformance} for stores of objects. */
export function fileConformance(name: string, start: () => Promise<FileSubject>): void {
  let subject: FileSubject;
  let project = 0;
  beforeAll(async () => {
    subject = await start();
  });
  afterAll(() => subject[Symbol.asyncDispose]());

  const nextProject = () => {
    project += 1;
    return `stack${project}`;
  };
  const deliver = async (backup: MadeBackup, of: string, signal?: AbortSignal) =>
    await subject.destination.deliver(
      { ...(await shipmentOf(backup, of)), backupId: backup.id.replace("stack", of) },
      transferContext(signal),
    );
  const fetch = async (of: string, at: string) => {
    const into = await mkdtemp(join(at, "fetched-"));
    const wanted = { name: undefined, project: of, run: undefined, token: undefined };
    return await subject.destination.fetch(wanted, into, transferContext());
  };

  describe(`${name}: what is there`, () => {
    it("is the backup, byte for byte, and only its encrypted files", async () => {
      const of = nextProject();
      await subject.clear();
      await using backup = await madeBackup(3);
      await deliver(backup, of);
      const file = await fetch(of, backup.directory);
      const listed = execFileSync("tar", ["-tf", file], { encoding: "utf8" }).trim().split("\n");
      expect(listed).toEqual([...backup.files.keys()]);
      for (const [one, content] of backup.files) {
        const args = ["-xOf", file, one];
        expect(execFileSync("tar", args, { maxBuffer: 2 ** 26 }).equals(content), one).toBe(true);
      }
    });

    it("is nothing at all without encryption", async () => {
      const of = nextProject();
      await subject.clear();
      await using backup = await madeBackup();
      await writeFile(join(backup.directory, "extra.tar.zst"), "plain");
      await expect(deliver(backup, of)).rejects.toMatchObject({ class: "unencrypted" });
      expect(await subject.count()).toBe(0);
    });

    it("is the newest, and that of no other project", async () => {
      const of = nextProject();
      await subject.clear();
      await using other = await madeBackup();
      await using first = await madeBackup();
      await using second = await madeBackup();
      await deliver(first, of);
      await deliver(second, of);
      await deliver(other, `${of}-b`).catch(() => undefined);
      const file = await fetch(of, second.directory);
      const content = execFileSync("tar", ["-xOf", file, "manifest.json.age"]);
      expect(content.toString()).toContain(second.id);
    });

    it("is the same when it is sent again, and whole when two send it at once", async () => {
      const of = nextProject();
      await subject.clear();
      await using backup = await madeBackup(3);
      await deliver(backup, of);
      const before = await readFile(await fetch(of, backup.directory));
      const both = await Promise.allSettled([deliver(backup, of), deliver(backup, of)]);
      for (const one of both) {
        if (one.status === "rejected") expect(one.reason).toBeInstanceOf(UploadFailedError);
      }
      const after = await readFile(await fetch(of, backup.directory));
      expect(after.equals(before)).toBe(true);
    });

    it("is nothing, or whole, when it is cancelled, and whole the next time", async () => {
      const of = nextProject();
      await subject.clear();
      await using backup = await madeBackup(5);
      for (const afterMs of [1, 20, 60]) {
        await deliver(backup, of, AbortSignal.timeout(afterMs)).catch(() => undefined);
        expect(await subject.count()).toBeLessThanOrEqual(1);
      }
      await using next = await madeBackup(5);
      await deliver(next, of);
      const file = await fetch(of, next.directory);
      const data = "data.tar.zst.age";
      const content = execFileSync("tar", ["-xOf", file, data], { maxBuffer: 2 ** 26 });
      expect(content.equals(next.files.get(data) as Buffer)).toBe(true);
    });

    it("is refused with what to do, if there is none", async () => {
      await subject.clear();
      const scratch = await mkdtemp(join(tmpdir(), "sophon-keeper-none-"));
      try {
        await mkdir(join(scratch, "into"));
        await expect(fetch(nextProject(), scratch)).rejects.toThrow(RefusedError);
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    });

    it("is never taken for the backup with a flipped byte", async () => {
      const of = nextProject();
      await subject.clear();
      await using backup = await madeBackup(2);
      await deliver(backup, of);
      await subject.damage();
      const error = await fetch(of, backup.directory).catch((thrown: unknown) => thrown);
      // What cannot even be unpacked is told, too.
      const told = error instanceof DamagedError || (error as { exitCode?: number }).exitCode === 5;
      expect(told, String(error)).toBe(true);
    });
  });

  it(`${name}: nothing was sent that the service does not take`, () => {
    expect(subject.wrong()).toEqual([]);
  });
}
