import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureRclone, rclonePath } from "../../lab/object-stores.ts";
import { lockLab } from "../../lab/state.ts";
import { remoteConformance, wireConformance } from "./remote-conformance.ts";
import type { Subject } from "./remote-subject.ts";
import { s3Subject, testCredentials } from "./s3-subject.ts";
import { Served } from "./served.ts";

// A real server that promises little: it takes a wrong SHA-256, overwrites in spite of a condition, and knows no lock.

remoteConformance("rclone serve s3", rcloneServe);
wireConformance("rclone serve s3", rcloneServe);

async function rcloneServe(): Promise<Subject> {
  {
    await using _lock = await lockLab("rclone");
    await ensureRclone();
  }
  const root = await mkdtemp(join(tmpdir(), "sophon-keeper-rclone-s3-"));
  await mkdir(join(root, "bucket"));
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = testCredentials;
  const served = await Served.start(
    (port) => [
      ...[rclonePath(), "serve", "s3", root, "--addr", `127.0.0.1:${port}`],
      ...["--auth-key", `${id},${secret}`, "--vfs-cache-mode", "off", "--config", "/dev/null"],
    ],
    { RCLONE_VFS_CACHE_MODE: "off" },
  );
  return s3Subject(served.endpoint, "bucket", {
    partMebibytes: 5,
    damage: async (prefix, key) => {
      const path = join(root, "bucket", prefix, key);
      const content = await readFile(path);
      const at = content.length >> 1;
      content[at] = (content[at] ?? 0) ^ 1;
      await writeFile(path, content);
    },
    [Symbol.asyncDispose]: async () => {
      await served[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  });
}
