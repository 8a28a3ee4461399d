// @module-tag exhaustive
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../../lab/step.ts";
import { webdavSubject } from "./rclone-subject.ts";
import { remoteConformance } from "./remote-conformance.ts";
import { type MadeBackup, madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";

// WebDAV by rclone: a server that writes a file in its place while it comes, so that others see a part of it.

remoteConformance("WebDAV", webdavSubject);

describe("WebDAV: a file that comes slowly", () => {
  let subject: Awaited<ReturnType<typeof webdavSubject>>;
  beforeAll(async () => {
    subject = await webdavSubject();
  }, 1_200_000);
  afterAll(() => subject?.[Symbol.asyncDispose]());

  const slow = { limit: 256 * 1024 };
  const at = () => `p${randomBytes(4).toString("hex")}`;
  const folderOf = (prefix: string, { id }: MadeBackup) =>
    join(subject.data, prefix, "stack", "backups", id);
  const dataOf = async (prefix: string, backup: MadeBackup) =>
    (await readdir(folderOf(prefix, backup)).catch(() => [])).filter((name) =>
      name.startsWith("data.tar.zst.age"),
    );

  /** Until the server has a part of the file. */
  const isComing = async (prefix: string, backup: MadeBackup) => {
    const folder = folderOf(prefix, backup);
    await until("a part is there", 60_000, async () => {
      const [name = "none"] = await dataOf(prefix, backup);
      return await stat(join(folder, name)).then(
        ({ size }) => size > 0,
        () => false,
      );
    });
  };
  const expectWhole = async (prefix: string, backup: MadeBackup) => {
    const [name = "none", ...more] = await dataOf(prefix, backup);
    expect([name, ...more]).toEqual(["data.tar.zst.age"]);
    const there = await readFile(join(folderOf(prefix, backup), name));
    expect(there.equals(backup.files.get(name) as Buffer)).toBe(true);
    expect(await subject.remote(prefix).list("stack", transferContext())).toHaveLength(1);
  };

  it("and is interrupted is nothing, is sent again, and leaves no part", async () => {
    const prefix = at();
    await using backup = await madeBackup(2);
    const cancel = new AbortController();
    const sending = subject
      .remote(prefix, slow)
      .deliver(await shipmentOf(backup), transferContext(cancel.signal));
    sending.catch(() => undefined);
    await isComing(prefix, backup);
    cancel.abort();
    await expect(sending).rejects.toThrow();
    expect(await subject.remote(prefix).list("stack", transferContext())).toEqual([]);
    await subject.remote(prefix).deliver(await shipmentOf(backup), transferContext());
    await expectWhole(prefix, backup);
  });

  it("is whole when another run sends it meanwhile: each of the two succeeds", async () => {
    const prefix = at();
    await using backup = await madeBackup(2);
    const shipment = await shipmentOf(backup);
    const sending = subject.remote(prefix, slow).deliver(shipment, transferContext());
    sending.catch(() => undefined);
    await isComing(prefix, backup);
    await subject.remote(prefix).deliver(shipment, transferContext());
    await sending;
    await expectWhole(prefix, backup);
  });
});
