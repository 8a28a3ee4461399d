import { statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "../../../src/core/exec.ts";
import { parseRcloneAddress } from "../../../src/destinations/rclone-address.ts";
import { RcloneStore } from "../../../src/destinations/rclone-store.ts";
import { Remote } from "../../../src/destinations/remote.ts";
import { listRemote } from "../../../src/operations/off-host/find-remote.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { rclonePath } from "../../lab/object-stores.ts";
import { rcloneSubject } from "./rclone-subject.ts";
import { remoteConformance } from "./remote-conformance.ts";
import { madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";

// The real program on a remote of its own configuration, which lies on this disk.

remoteConformance("rclone", () => rcloneSubject((data) => `type = alias\nremote = ${data}`), {
  isFurther: true,
});

it.each(["rclone:off-site:path/of it", "rclone:off-site:"])("takes %s", (text) => {
  expect(parseRcloneAddress("upload-to", text)).toBe(text.slice("rclone:".length));
});

it.each([
  "rclone:",
  "rclone:/path",
  "rclone::sftp,pass=open:path",
  "rclone:-v:path",
  "rclone:a\n:b",
])("refuses %j", (text) => {
  expect(() => parseRcloneAddress("upload-to", text)).toThrow("is not rclone:REMOTE:PATH");
});

it.each([
  [
    "a remote that nobody configured",
    "nosuch:x",
    "no-remote",
    /^rclone:nosuch:x cannot be read: .*"nosuch"/,
  ],
  ["one that is down", "down:x", "unreachable", /^rclone:down:x[ :].*refused/],
])("tells %s once, in its words", async (_name, place, errorClass, message) => {
  await using subject = await rcloneSubject(
    (data) =>
      `type = alias\nremote = ${data}\n[down]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:9`,
  );
  expect(subject.endpoint).toBeUndefined();
  const remote = new Remote(new RcloneStore({ place, limit: undefined, retryForMs: 0 }));
  await using backup = await madeBackup();
  const failures = await Promise.all([
    remote.deliver(await shipmentOf(backup), transferContext()).catch((error: unknown) => error),
    remote.list("stack", transferContext()).catch((error: unknown) => error),
  ]);
  expect(failures).toMatchObject([{ exitCode: 3 }, { exitCode: 5 }]);
  for (const failure of failures) {
    expect(failure).toMatchObject({ class: errorClass });
    expect((failure as Error).message).toMatch(message);
    expect((failure as Error).message).not.toMatch(/Error:|CRITICAL|NOTICE/);
  }
});

it("is listed by the name of a project also where nothing lies above the projects", async () => {
  await using subject = await rcloneSubject((data) => `type = alias\nremote = ${data}`);
  await using backup = await madeBackup();
  await subject.remote("").deliver(await shipmentOf(backup), transferContext());
  for (const address of ["rclone:off-site:", "rclone:off-site:stack"]) {
    const place = { workingDirectory: "/", home: undefined };
    const options = parseOptions("list", { backup: address } as never, place);
    const { backups } = await listRemote(options, transferContext());
    expect(
      backups.map(({ id }) => id),
      address,
    ).toEqual([backup.id]);
  }
});

it("that encrypts holds a backup, which is proven, sent once, found damaged and removed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sophon-keeper-crypt-"));
  await using subject = await rcloneSubject(async (data) => {
    const { stdout } = await run(rclonePath(), ["obscure", "a password of nobody"]);
    const crypt = `type = crypt\nremote = disk:${data}\npassword = ${stdout.trim()}`;
    return `${crypt}\n[disk]\ntype = local`;
  });
  try {
    await using backup = await madeBackup(3);
    const remote = subject.remote("p");
    for (const _again of [1, 2]) {
      const delivery = await remote.deliver(await shipmentOf(backup), transferContext());
      expect(delivery.proof).toBe("read");
    }
    const { files } = await remote.open("stack", backup.id, transferContext());
    for (const file of files) {
      await remote.fetch(file, join(folder, file.name), transferContext());
      const content = backup.files.get(file.name);
      if (content !== undefined) {
        expect((await readFile(join(folder, file.name))).equals(content), file.name).toBe(true);
      }
    }
    const all = await readdir(subject.data, { recursive: true, withFileTypes: true });
    const sizes = all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
    const [largest = ""] = sizes.toSorted((a, b) => statSync(b).size - statSync(a).size);
    const content = await readFile(largest);
    content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
    await writeFile(largest, content);
    const data = files.find(({ name }) => name === "data.tar.zst.age");
    if (data === undefined) throw new Error("no data");
    await expect(remote.fetch(data, join(folder, "again"), transferContext())).rejects.toThrow();
    expect(await remote.remove("stack", backup.id, transferContext())).toEqual({ isRemoved: true });
    expect(await remote.list("stack", transferContext())).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it("is refused where the program is not there", () => {
  const before = process.env.PATH;
  process.env.PATH = "/nonexistent";
  try {
    const store = new RcloneStore({ place: "off-site:", limit: undefined, retryForMs: 0 });
    expect(() => store.refuseUnready()).toThrow("rclone is not on the PATH");
  } finally {
    process.env.PATH = before;
  }
});
