// @module-tag exhaustive
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { S3Proxy } from "../../lab/s3-proxy.ts";
import { until } from "../../lab/step.ts";
import { webdavSubject } from "./rclone-subject.ts";
import { type MadeBackup, madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";
import type { Served } from "./served.ts";

// WebDAV by rclone: a server that writes a file in its place while it comes.

const instants = Array.from({ length: 20 }, (_, index) => index + 1);
let subject: Awaited<ReturnType<typeof webdavSubject>>;
let server: Served;
let proxy: S3Proxy;

beforeAll(async () => {
  subject = await webdavSubject(async (served) => {
    server = served;
    proxy = await S3Proxy.before(served.endpoint);
    return proxy.endpoint;
  });
}, 1_200_000);
afterAll(async () => {
  await subject?.[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** Calls `work` when that many requests have come. Some 60 of them are one upload. */
function at(instant: number, work: () => void): void {
  let count = 0;
  proxy.answered.length = 0;
  proxy.fault = () => {
    count += 1;
    if (count === 3 * instant) work();
    return undefined;
  };
}

async function expectWhole(prefix: string, backup: MadeBackup): Promise<void> {
  proxy.fault = () => undefined;
  expect(await listed(prefix)).toEqual([backup.id]);
  for (const [file, content] of backup.files) {
    const there = await subject.content(prefix, `stack/backups/${backup.id}/${file}`);
    expect(there?.equals(content), file).toBe(true);
  }
  const folder = join(subject.data, prefix, "stack/backups", backup.id);
  const names = [...backup.files.keys(), "SHA256SUMS", "SHA256SUMS.sig"];
  expect(new Set(await readdir(folder))).toEqual(new Set(names));
}

async function listed(prefix: string): Promise<string[]> {
  const found = await subject.remote(prefix).list("stack", transferContext());
  return found.map(({ id }) => id);
}

/** The files that were stored as a whole, each time that they were, without what they are called while they come. */
function stored(): string[] {
  const puts = proxy.answered.map(
    (one) => /^20\d PUT .*\/([^/]+?)(\.\w{8}\.partial)*$/.exec(one)?.[1],
  );
  // Each process of this test signs with a key of its own.
  return puts.filter((name) => name !== undefined).filter((name) => name !== "SHA256SUMS.sig");
}

/** Whether a program runs whose arguments name a place. */
async function isRunning(place: string): Promise<boolean> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""));
  return (await Promise.all(lines)).some((line) => line.includes(`${place}/`));
}

describe("an upload that is killed", () => {
  it.each(instants)(
    "at instant %i is continued: the same bytes in the end, and no file twice that was there",
    async (instant) => {
      await using backup = await madeBackup(4);
      const prefix = `us${instant}`;
      const argv = [
        join(import.meta.dirname, "upload-run.ts"),
        ...[`off-site:${prefix}`, backup.directory, backup.id],
      ];
      const send = () => spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
      const child = send();
      at(instant, () => child.kill("SIGKILL"));
      const [, signal] = await once(child, "close");
      expect(signal).toBe("SIGKILL");
      // What it had started goes on, and ends by itself.
      await until("rclone has ended", 60_000, async () => !(await isRunning(`off-site:${prefix}`)));
      const [code] = await once(send(), "close");
      expect(code).toBe(0);
      await expectWhole(prefix, backup);
      expect(new Set(stored()).size).toBe(stored().length);
    },
  );
});

describe("a server that is killed", () => {
  it.each(instants)("at instant %i and comes up again has the same bytes", async (instant) => {
    await using backup = await madeBackup(4);
    const prefix = `server${instant}`;
    let again: Promise<void> | undefined;
    at(instant, () => {
      again = server.kill().then(() => server.start());
    });
    const tools = { ...transferContext(), clock: systemClock };
    await subject.remote(prefix, { retryForMs: 60_000 }).deliver(await shipmentOf(backup), tools);
    expect(again).toBeDefined();
    await again;
    // rclone itself sends a file again if the server does not tell it that the file is there.
    await expectWhole(prefix, backup);
  });
});
