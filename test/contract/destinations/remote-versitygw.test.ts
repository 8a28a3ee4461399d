// @module-tag exhaustive
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureVersitygw, versitygwPath } from "../../lab/object-stores.ts";
import { labDirectory, lockLab } from "../../lab/state.ts";
import { remoteConformance, wireConformance } from "./remote-conformance.ts";
import type { Subject } from "./remote-subject.ts";
import { s3Subject, testCredentials } from "./s3-subject.ts";
import { Served } from "./served.ts";

// A real server that keeps its promises.

remoteConformance("versitygw", versitygw);
wireConformance("versitygw", versitygw);

async function versitygw(): Promise<Subject> {
  {
    await using _lock = await lockLab("versitygw");
    await ensureVersitygw();
  }
  // It keeps its records in extended attributes, which a file system in memory may not have.
  const root = await mkdtemp(join(labDirectory(), "versitygw-"));
  await mkdir(join(root, "bucket"));
  const served = await Served.start(
    (port) => [versitygwPath(), "--port", `127.0.0.1:${port}`, "--quiet", "posix", root],
    {
      ROOT_ACCESS_KEY: testCredentials.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_KEY: testCredentials.AWS_SECRET_ACCESS_KEY,
    },
  );
  return s3Subject(served.endpoint, "bucket", {
    partMebibytes: 5,
    damage: async (prefix, key) => {
      await using file = await open(join(root, "bucket", prefix, key), "r+");
      const { size } = await file.stat();
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, size >> 1);
      byte[0] = (byte[0] ?? 0) ^ 1;
      await file.write(byte, 0, 1, size >> 1);
    },
    [Symbol.asyncDispose]: async () => {
      await served[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  });
}
