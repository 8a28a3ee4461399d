import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/core/hash.ts";
import { newSignKey, signText } from "../../../src/core/ssh-signature.ts";
import type { Remote } from "../../../src/destinations/remote.ts";
import {
  hostKey,
  type MadeBackup,
  madeBackup,
  shipmentOf,
  transferContext,
} from "./remote-subject.ts";

/** A bucket with versions and object lock, and credentials that may add to it and remove nothing. */
export interface LockedSubject extends AsyncDisposable {
  readonly bucket: string;
  /** With the rights of the owner. */
  owner(prefix: string, days?: number): Remote;
  /** What a thief of the credentials on the host has. */
  readonly thief: S3Client;
  appendOnly(prefix: string): Remote;
}

/** What holds when the credentials on the host are stolen, or somebody errs. */
export function lockedConformance(name: string, start: () => Promise<LockedSubject>): void {
  let subject: LockedSubject;
  beforeAll(async () => {
    subject = await start();
  }, 1_200_000);
  afterAll(() => subject?.[Symbol.asyncDispose]());

  const prefix = () => `p${randomBytes(4).toString("hex")}`;

  describe(`${name}: what is locked`, () => {
    it("stays, and what is in its way is told", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const remote = subject.owner(at, 2);
      await remote.deliver(await shipmentOf(backup), transferContext());
      const removal = await remote.remove("stack", backup.id, transferContext());
      expect(removal).toMatchObject({
        isRemoved: false,
        why: expect.stringContaining("locked until 2"),
      });
      expect(await remote.list("stack", transferContext())).toHaveLength(1);
      await expectWhole(remote, backup);
    });

    it("stays as long as what is made from it, also if it was not locked, and never shorter", async () => {
      const dayMs = 86_400_000;
      for (const days of [2, undefined]) {
        const at = prefix();
        await using backup = await madeBackup();
        await subject.owner(at, days).deliver(await shipmentOf(backup), transferContext());
        const longer = subject.owner(at, 9);
        for (const remote of [longer, longer, subject.owner(at, 1), subject.owner(at)]) {
          await remote.lengthenLocks("stack", backup.id, transferContext());
        }
        const removal = await longer.remove("stack", backup.id, transferContext());
        const until = removal.isRemoved ? "" : removal.why.replace("locked until ", "");
        expect(Date.parse(until)).toBeGreaterThan(Date.now() + 8 * dayMs);
        expect(Date.parse(until)).toBeLessThan(Date.now() + 11 * dayMs);
        await expectWhole(longer, backup);
      }
    });

    it("goes once it is not locked, with all its versions", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const remote = subject.owner(at);
      await remote.deliver(await shipmentOf(backup), transferContext());
      expect(await remote.remove("stack", backup.id, transferContext())).toEqual({
        isRemoved: true,
      });
      await expect(remote.open("stack", backup.id, transferContext())).rejects.toMatchObject({
        class: "no-backup",
      });
    });
  });

  describe(`${name}: append-only credentials`, () => {
    it("send, resume and prove, and remove nothing", async () => {
      const at = prefix();
      await using backup = await madeBackup(11);
      const remote = subject.appendOnly(at);
      const delivery = await remote.deliver(await shipmentOf(backup), transferContext());
      expect(delivery.proof).toBe("sha256");
      const removal = await remote.remove("stack", backup.id, transferContext());
      expect(removal).toMatchObject({ isRemoved: false });
      await expectWhole(remote, backup);
    });

    it("overwrite everything when they are stolen, and what was sent still comes back", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      await subject.appendOnly(at).deliver(await shipmentOf(backup), transferContext());
      const list = `${"0".repeat(64)}  other\n`;
      const bodies: Readonly<Record<string, string>> = {
        SHA256SUMS: list,
        "SHA256SUMS.sig": signText(list, newSignKey()),
      };
      for (const file of [...backup.files.keys(), ...Object.keys(bodies)]) {
        const Key = `${at}/stack/backups/${backup.id}/${file}`;
        const Body = bodies[file] ?? "encrypted by a thief";
        await subject.thief.send(new PutObjectCommand({ Bucket: subject.bucket, Key, Body }));
      }
      await expectWhole(subject.owner(at), backup);
    });

    it("lie there before the backup does: the upload tells it, and what is signed counts", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const put = async (file: string, Body: string) => {
        const Key = `${at}/stack/backups/${backup.id}/${file}`;
        await subject.thief.send(new PutObjectCommand({ Bucket: subject.bucket, Key, Body }));
      };
      await put("SHA256SUMS", `${"0".repeat(64)}  data.tar.zst.age\n`);
      const sending = subject.appendOnly(at).deliver(await shipmentOf(backup), transferContext());
      await expect(sending).rejects.toMatchObject({ class: "upload-differs" });
      const sums = [...backup.files].map(([name, content]) => `${sha256Hex(content)}  ${name}\n`);
      await put("SHA256SUMS", sums.join(""));
      await expectWhole(subject.owner(at), backup);
    });
  });
}

async function expectWhole(remote: Remote, backup: MadeBackup): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "sophon-keeper-fetched-"));
  try {
    const trusted = [hostKey.publicKey];
    const { files, signer } = await remote.open("stack", backup.id, transferContext(), trusted);
    expect(signer).toEqual({ publicKey: hostKey.publicKey });
    expect(files.map(({ name }) => name)).toEqual([...backup.files.keys()]);
    for (const file of files) {
      await remote.fetch(file, join(path, file.name), transferContext());
      const content = await readFile(join(path, file.name));
      expect(content.equals(backup.files.get(file.name) as Buffer), file.name).toBe(true);
      expect(await remote.check(file, transferContext())).toBe(true);
    }
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
