import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DamagedError, RefusedError, UploadFailedError } from "../../../src/core/errors.ts";
import { newSignKey } from "../../../src/core/ssh-signature.ts";
import type { Remote } from "../../../src/destinations/remote.ts";
import { cells, exhaustive } from "../../lab/matrix.ts";
import { run } from "../../lab/run.ts";
import { type Fault, S3Proxy } from "../../lab/s3-proxy.ts";
import {
  hostKey,
  type MadeBackup,
  madeBackup,
  type Subject,
  shipmentOf,
  transferContext,
} from "./remote-subject.ts";

/** Beside another destination that shows what does not depend on what is behind it. */
interface Role {
  readonly isFurther?: boolean;
}

/** What every destination promises, whatever is behind it. */
export function remoteConformance(
  name: string,
  start: () => Promise<Subject>,
  { isFurther = false }: Role = {},
): void {
  /** What does not depend on it. */
  const alike = isFurther ? exhaustive : {};
  let subject: Subject;
  beforeAll(async () => {
    subject = await start();
  }, 1_200_000);
  afterAll(() => subject?.[Symbol.asyncDispose]());

  /** More than one part, and not a whole number of them. */
  const severalParts = () => 2 * subject.partMebibytes + 1;
  const prefix = () => `p${randomBytes(4).toString("hex")}`;
  const key = (backup: MadeBackup, file: string) => `stack/backups/${backup.id}/${file}`;

  describe(`${name}: what is there`, () => {
    cells(
      it,
      ["one part", "several parts"],
      (parts) => !isFurther || parts === "several parts",
    )("is the backup, byte for byte, and what sha256sum finds good (%s)", async (parts) => {
      await using backup = await madeBackup(parts === "one part" ? 1 : severalParts());
      const at = prefix();
      const delivery = await subject
        .remote(at)
        .deliver(await shipmentOf(backup), transferContext());
      expect(delivery.proof).toMatch(/^(sha256|etag|read)$/);
      await using fetched = await fetchAll(subject.remote(at), backup.id);
      for (const [file, content] of backup.files) {
        expect((await readFile(join(fetched.path, file))).equals(content), file).toBe(true);
      }
      const sums = await subject.content(at, key(backup, "SHA256SUMS"));
      await writeFile(join(fetched.path, "SHA256SUMS"), sums ?? "");
      await run(["sha256sum", "--strict", "-c", "SHA256SUMS"], { cwd: fetched.path });
      expect((await readdir(fetched.path)).toSorted(byText)).toEqual([
        "SHA256SUMS",
        ...[...backup.files.keys()],
      ]);
      const signature = await subject.content(at, key(backup, "SHA256SUMS.sig"));
      await writeFile(join(fetched.path, "SHA256SUMS.sig"), signature ?? "");
      await writeFile(join(fetched.path, "signers"), `keeper ${hostKey.publicKey}\n`);
      const who = ["-f", "signers", "-I", "keeper", "-n", "sophon-keeper", "-s", "SHA256SUMS.sig"];
      const verify = ["ssh-keygen", "-Y", "verify", ...who];
      await run(verify, { cwd: fetched.path, input: sums ?? Buffer.alloc(0) });
      expect(await subject.content(at, key(backup, "manifest.json"))).toBeUndefined();
    });

    it("is listed by project and id, and only when it is complete", async () => {
      const at = prefix();
      const remote = subject.remote(at);
      await using first = await madeBackup();
      await using second = await madeBackup();
      await using other = await madeBackup();
      await remote.deliver(await shipmentOf(first), transferContext());
      await remote.deliver(await shipmentOf(second), transferContext());
      await remote.deliver(await shipmentOf(other, "other"), transferContext());
      const ids = async (project?: string) =>
        (await remote.list(project, transferContext())).map(({ id }) => id).toSorted(byText);
      expect(await ids("stack")).toEqual([first.id, second.id].toSorted(byText));
      expect(await ids()).toEqual([first.id, second.id, other.id].toSorted(byText));
      await expect(remote.open("stack", other.id, transferContext())).rejects.toThrow(RefusedError);
    });

    it("is nothing at all without encryption", alike, async () => {
      const at = prefix();
      await using backup = await madeBackup();
      await writeFile(join(backup.directory, "extra.tar.zst"), "plain");
      const sending = subject.remote(at).deliver(await shipmentOf(backup), transferContext());
      await expect(sending).rejects.toThrow("extra.tar.zst is not encrypted");
      expect(await subject.content(at, key(backup, "data.tar.zst.age"))).toBeUndefined();
      expect(await subject.remote(at).list(undefined, transferContext())).toEqual([]);
    });

    it("is nothing if the file on this host is not what its manifest says", alike, async () => {
      const at = prefix();
      await using backup = await madeBackup(severalParts());
      const shipment = await shipmentOf(backup);
      const path = join(backup.directory, "data.tar.zst.age");
      const content = await readFile(path);
      const last = content.length - 10;
      content[last] = (content[last] ?? 0) ^ 1;
      await writeFile(path, content);
      const sending = subject.remote(at).deliver(shipment, transferContext());
      await expect(sending).rejects.toMatchObject({ class: "damaged" });
      expect(await subject.content(at, key(backup, "data.tar.zst.age"))).toBeUndefined();
      expect(await subject.remote(at).list(undefined, transferContext())).toEqual([]);
    });

    it("stays when it is sent again, and when other bytes come under its name", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const first = await subject.remote(at).deliver(await shipmentOf(backup), transferContext());
      const again = await subject.remote(at).deliver(await shipmentOf(backup), transferContext());
      expect(again.sha256).toBe(first.sha256);
      const before = await subject.content(at, key(backup, "data.tar.zst.age"));
      const path = join(backup.directory, "data.tar.zst.age");
      const content = await readFile(path);
      content[5000] = (content[5000] ?? 0) ^ 1;
      await writeFile(path, content);
      const other = subject.remote(at).deliver(await shipmentOf(backup), transferContext());
      await expect(other).rejects.toMatchObject({ class: "upload-differs", exitCode: 3 });
      const after = await subject.content(at, key(backup, "data.tar.zst.age"));
      expect(after?.equals(before as Buffer)).toBe(true);
    });

    it(
      "stays when another key of this host sends it again: each signature is of the same list",
      alike,
      async () => {
        const at = prefix();
        await using backup = await madeBackup();
        const other = newSignKey();
        for (const signer of [hostKey, other]) {
          const shipment = await shipmentOf(backup, "stack", signer);
          await subject.remote(at).deliver(shipment, transferContext());
        }
        const open = async (trusted: readonly string[]) =>
          await subject.remote(at).open("stack", backup.id, transferContext(), trusted);
        expect((await open([])).signer).toEqual({ publicKey: hostKey.publicKey });
        expect((await open([other.publicKey])).signer).toEqual({ publicKey: hostKey.publicKey });
      },
    );

    it("is whole when two send it at once", async () => {
      const at = prefix();
      await using backup = await madeBackup(severalParts());
      const shipment = await shipmentOf(backup);
      const both = await Promise.allSettled([
        subject.remote(at).deliver(shipment, transferContext()),
        subject.remote(at).deliver(shipment, transferContext()),
      ]);
      expect(both.map(({ status }) => status)).toContain("fulfilled");
      await using fetched = await fetchAll(subject.remote(at), backup.id);
      const file = "data.tar.zst.age";
      const there = await readFile(join(fetched.path, file));
      expect(there.equals(backup.files.get(file) as Buffer)).toBe(true);
    });

    it("goes as a whole", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const remote = subject.remote(at);
      await remote.deliver(await shipmentOf(backup), transferContext());
      expect(await remote.remove("stack", backup.id, transferContext())).toEqual({
        isRemoved: true,
      });
      expect(await remote.list(undefined, transferContext())).toEqual([]);
      expect(await subject.content(at, key(backup, "data.tar.zst.age"))).toBeUndefined();
    });
  });

  describe(`${name}: a flipped byte`, () => {
    it("where it lies is never taken for the backup", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const remote = subject.remote(at);
      await remote.deliver(await shipmentOf(backup), transferContext());
      await subject.damage(at, key(backup, "data.tar.zst.age"));
      const { files } = await remote.open("stack", backup.id, transferContext());
      const good = await Promise.all(files.map((file) => remote.check(file, transferContext())));
      expect(Object.fromEntries(files.map(({ name: file }, index) => [file, good[index]]))).toEqual(
        {
          "data.tar.zst.age": false,
          "manifest.json.age": true,
        },
      );
      await expect(fetchAll(remote, backup.id)).rejects.toThrow(DamagedError);
    });

    it.each(["SHA256SUMS", "SHA256SUMS.sig"])(
      "in %s is found by the signature",
      alike,
      async (file) => {
        const at = prefix();
        await using backup = await madeBackup();
        const remote = subject.remote(at);
        await remote.deliver(await shipmentOf(backup), transferContext());
        await subject.damage(at, key(backup, file));
        const opened = await remote
          .open("stack", backup.id, transferContext(), [hostKey.publicKey])
          .catch((error: unknown) => error);
        // A byte between two lines makes it no list at all.
        if (!(opened instanceof DamagedError)) {
          expect(opened).toMatchObject({ signer: "not of this list" });
        }
      },
    );
  });

  describe(`${name}: a transfer that is interrupted`, () => {
    it("leaves no backup, and the next one makes it whole", async () => {
      const at = prefix();
      await using backup = await madeBackup(severalParts());
      for (const afterMs of [5, 40, 80, 160]) {
        const cancel = AbortSignal.timeout(afterMs);
        const sending = subject
          .remote(at)
          .deliver(await shipmentOf(backup), transferContext(cancel));
        const isWhole = await sending.then(
          () => true,
          () => false,
        );
        const listed = await subject.remote(at).list(undefined, transferContext());
        expect(listed.length, `after ${afterMs} ms`).toBe(isWhole ? 1 : 0);
      }
      await subject.remote(at).deliver(await shipmentOf(backup), transferContext());
      await using fetched = await fetchAll(subject.remote(at), backup.id);
      const there = await readFile(join(fetched.path, "data.tar.zst.age"));
      expect(there.equals(backup.files.get("data.tar.zst.age") as Buffer)).toBe(true);
    });

    it("continues a download where it was, also one of other bytes", async () => {
      const at = prefix();
      await using backup = await madeBackup();
      const remote = subject.remote(at);
      await remote.deliver(await shipmentOf(backup), transferContext());
      const { files } = await remote.open("stack", backup.id, transferContext());
      const file = files.find(({ name: of }) => of === "data.tar.zst.age");
      if (file === undefined) throw new Error("not there");
      const content = backup.files.get(file.name) as Buffer;
      for (const begun of [content.subarray(0, 5000), Buffer.alloc(5000), content]) {
        const path = join(backup.directory, "begun");
        await writeFile(path, begun);
        await remote.fetch(file, path, transferContext());
        expect((await readFile(path)).equals(content)).toBe(true);
      }
    });
  });
}

/** What goes wrong on the way to a server that speaks HTTP. */
export function wireConformance(
  name: string,
  start: () => Promise<Subject>,
  { isFurther = false }: Role = {},
): void {
  let subject: Subject;
  beforeAll(async () => {
    subject = await start();
  }, 1_200_000);
  afterAll(() => subject?.[Symbol.asyncDispose]());

  const severalParts = () => 2 * subject.partMebibytes + 1;

  describe(`${name}: on the way`, isFurther ? exhaustive : {}, () => {
    const always: readonly Fault[] = ["flip", "500", "503", "cut", "stall", "gone"];
    it.each(always)("what is always %s is told, and never proven", async (fault) => {
      await using backup = await madeBackup(severalParts());
      await using proxy = await S3Proxy.before(subject.endpoint ?? "");
      const at = `p${randomBytes(4).toString("hex")}`;
      // What is asked of the server beforehand is answered: it promises what it keeps.
      proxy.fault = (method, path) =>
        method === "PUT" && !path.includes(".probe") ? fault : undefined;
      const remote = subject.remote(at, {
        endpoint: proxy.endpoint,
        // Nothing is to come through, so what is only slow may be taken for stalled.
        stallMs: fault === "stall" ? 100 : 20_000,
      });
      const context = transferContext();
      const failure = await remote.deliver(await shipmentOf(backup), context).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure, String(failure)).toBeInstanceOf(UploadFailedError);
      expect(await subject.remote(at).list(undefined, transferContext())).toEqual([]);
    });

    it.each(always)("what is %s now and then comes whole in the end", async (fault) => {
      await using backup = await madeBackup(severalParts());
      await using proxy = await S3Proxy.before(subject.endpoint ?? "");
      const at = `p${randomBytes(4).toString("hex")}`;
      let count = 0;
      proxy.fault = () => {
        count += 1;
        return count % 5 === 3 ? fault : undefined;
      };
      const remote = () =>
        subject.remote(at, { endpoint: proxy.endpoint, stallMs: fault === "stall" ? 300 : 20_000 });
      for (let night = 0; ; night += 1) {
        const done = await remote()
          .deliver(await shipmentOf(backup), transferContext())
          .then(
            () => true,
            (error: unknown) => {
              // A byte that a server takes as it comes is found out afterwards: never proof, always told.
              expect(error, String(error)).toBeInstanceOf(UploadFailedError);
              return false;
            },
          );
        if (done) break;
        expect(night).toBeLessThan(8);
      }
      await using fetched = await fetchAll(subject.remote(at), backup.id);
      const there = await readFile(join(fetched.path, "data.tar.zst.age"));
      expect(there.equals(backup.files.get("data.tar.zst.age") as Buffer)).toBe(true);
    });

    it.each<Fault>(["500", "cut", "stall", "gone"])(
      "a download that is %s now and then comes whole",
      async (fault) => {
        await using backup = await madeBackup(severalParts());
        await using proxy = await S3Proxy.before(subject.endpoint ?? "");
        const at = `p${randomBytes(4).toString("hex")}`;
        await subject.remote(at).deliver(await shipmentOf(backup), transferContext());
        let count = 0;
        proxy.fault = () => {
          count += 1;
          return count % 3 === 0 ? fault : undefined;
        };
        const remote = subject.remote(at, {
          endpoint: proxy.endpoint,
          stallMs: fault === "stall" ? 300 : 20_000,
        });
        await using fetched = await fetchAll(remote, backup.id);
        const there = await readFile(join(fetched.path, "data.tar.zst.age"));
        expect(there.equals(backup.files.get("data.tar.zst.age") as Buffer)).toBe(true);
      },
    );
  });
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

async function fetchAll(
  remote: Remote,
  id: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "sophon-keeper-fetched-"));
  const { files } = await remote.open("stack", id, transferContext());
  for (const file of files) await remote.fetch(file, join(path, file.name), transferContext());
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
