import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseRcloneAddress, RcloneStore } from "../../../src/destinations/rclone-store.ts";
import { Remote } from "../../../src/destinations/remote.ts";
import { ensureRclone, rclonePath } from "../../lab/object-stores.ts";
import { lockLab } from "../../lab/state.ts";
import { remoteConformance } from "./remote-conformance.ts";
import type { Subject } from "./remote-subject.ts";

// The real program on a remote of its own configuration, which lies on this disk.

remoteConformance("rclone", rclone);

async function rclone(): Promise<Subject> {
  {
    await using _lock = await lockLab("rclone");
    await ensureRclone();
  }
  const root = await mkdtemp(join(tmpdir(), "sophon-keeper-rclone-"));
  for (const part of ["bin", "data"]) await mkdir(join(root, part));
  await symlink(rclonePath(), join(root, "bin", "rclone"));
  const config = join(root, "rclone.conf");
  await writeFile(config, `[off-site]\ntype = alias\nremote = ${join(root, "data")}\n`);
  const before = process.env.PATH;
  process.env.PATH = `${join(root, "bin")}:${before}`;
  process.env.RCLONE_CONFIG = config;
  const path = (prefix: string, key: string) => join(root, "data", prefix, key);
  return {
    partMebibytes: 1,
    endpoint: undefined,
    remote: (prefix) =>
      new Remote(
        new RcloneStore({ place: `off-site:${prefix}`, limit: undefined, retryForMs: 1000 }),
      ),
    content: async (prefix, key) => await readFile(path(prefix, key)).catch(() => undefined),
    damage: async (prefix, key) => {
      const content = await readFile(path(prefix, key));
      const at = content.length >> 1;
      content[at] = (content[at] ?? 0) ^ 1;
      await writeFile(path(prefix, key), content);
    },
    [Symbol.asyncDispose]: async () => {
      process.env.PATH = before;
      await rm(root, { recursive: true, force: true });
    },
  };
}

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
