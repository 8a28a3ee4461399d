import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RcloneStore } from "../../../src/destinations/rclone-store.ts";
import { Remote } from "../../../src/destinations/remote.ts";
import { ensureRclone, rclonePath } from "../../lab/object-stores.ts";
import { lockLab } from "../../lab/state.ts";
import type { Subject } from "./remote-subject.ts";
import { Served } from "./served.ts";

/** A remote of rclone whose files lie in a directory on this disk. */
interface RcloneSubject extends Subject {
  readonly data: string;
}

/**
 * A server of WebDAV on this host, which rclone reaches as it reaches any.
 *
 * @param before - puts something before it; returns the URL of that
 */
export async function webdavSubject(
  before: (server: Served) => Promise<string> = async ({ endpoint }) => endpoint,
): Promise<RcloneSubject> {
  let served: Served | undefined;
  return await rcloneSubject(
    async (data) => {
      served = await Served.start((port) => [
        ...[rclonePath(), "serve", "webdav", data, "--addr", `127.0.0.1:${port}`],
        ...["--vfs-cache-mode", "off", "--dir-cache-time", "1s", "--config", "/dev/null"],
      ]);
      return `type = webdav\nvendor = other\nurl = ${await before(served)}`;
    },
    { [Symbol.asyncDispose]: async () => served?.[Symbol.asyncDispose]() },
  );
}

/**
 * The real program on a remote of its own configuration.
 *
 * @param settings - the lines of the remote, whose files lie in the directory `data` on this disk
 */
export async function rcloneSubject(
  settings: (data: string) => string | Promise<string>,
  behind: AsyncDisposable = { [Symbol.asyncDispose]: async () => undefined },
): Promise<RcloneSubject> {
  {
    await using _lock = await lockLab("rclone");
    await ensureRclone();
  }
  const root = await mkdtemp(join(tmpdir(), "sophon-keeper-rclone-"));
  for (const part of ["bin", "data"]) await mkdir(join(root, part));
  await symlink(rclonePath(), join(root, "bin", "rclone"));
  const config = join(root, "rclone.conf");
  await writeFile(config, `[off-site]\n${await settings(join(root, "data"))}\n`);
  const before = process.env.PATH;
  process.env.PATH = `${join(root, "bin")}:${before}`;
  process.env.RCLONE_CONFIG = config;
  const path = (prefix: string, key: string) => join(root, "data", prefix, key);
  return {
    partMebibytes: 1,
    endpoint: undefined,
    data: join(root, "data"),
    remote: (prefix, { limit, retryForMs = 1000 } = {}) =>
      new Remote(new RcloneStore({ place: `off-site:${prefix}`, limit, retryForMs })),
    content: async (prefix, key) => await readFile(path(prefix, key)).catch(() => undefined),
    damage: async (prefix, key) => {
      const content = await readFile(path(prefix, key));
      const at = content.length >> 1;
      content[at] = (content[at] ?? 0) ^ 1;
      await writeFile(path(prefix, key), content);
    },
    [Symbol.asyncDispose]: async () => {
      process.env.PATH = before;
      await behind[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
