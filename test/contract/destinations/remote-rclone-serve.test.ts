import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { remoteConformance, wireConformance } from "./remote-conformance.ts";
import type { Subject } from "./remote-subject.ts";
import { s3Subject } from "./s3-subject.ts";
import { rcloneServed } from "./served.ts";

// A real server that promises little: it takes a wrong SHA-256, overwrites in spite of a condition, and knows no lock.

remoteConformance("rclone serve s3", rcloneServe, { isFurther: true });
wireConformance("rclone serve s3", rcloneServe, { isFurther: true });

async function rcloneServe(): Promise<Subject> {
  const { endpoint, root, ...served } = await rcloneServed();
  return s3Subject(endpoint, "bucket", {
    ...served,
    partMebibytes: 5,
    damage: async (prefix, key) => {
      const path = join(root, "bucket", prefix, key);
      const content = await readFile(path);
      const at = content.length >> 1;
      content[at] = (content[at] ?? 0) ^ 1;
      await writeFile(path, content);
    },
  });
}
