import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cells } from "../../lab/matrix.ts";
import { S3Server } from "../../lab/s3-server.ts";
import { type MadeBackup, madeBackup, transferContext } from "./remote-subject.ts";
import { s3Remote, testCredentials } from "./s3-subject.ts";

const instants = Array.from({ length: 20 }, (_, index) => index + 1);

describe("an upload that is killed", () => {
  cells(it, instants, (instant) => [2, 9, 15].includes(instant))(
    "at request %i is continued: the same bytes in the end, and no part twice that was there",
    async (instant) => {
      await using backup = await madeBackup(12);
      await using server = await S3Server.start();
      const child = send(backup, server.endpoint);
      server.onRequest = (count) => {
        if (count === instant) child.kill("SIGKILL");
      };
      const [, signal] = await once(child, "close");
      expect(signal).toBe("SIGKILL");
      expect(await listed(server)).toEqual([]);
      server.onRequest = () => undefined;
      const [code] = await once(send(backup, server.endpoint), "close");
      expect(code).toBe(0);
      expect(await listed(server)).toEqual([backup.id]);
      for (const [file, content] of backup.files) {
        const there = server.content(`killed/stack/backups/${backup.id}/${file}`);
        expect(there?.equals(content), file).toBe(true);
      }
      expect(server.stored.length).toBe(new Set(server.stored).size);
      // Twelve MiB and a few bytes, in parts of one.
      expect(server.stored.length).toBe(13);
    },
  );
});

function send({ directory, id }: MadeBackup, endpoint: string) {
  const argv = [join(import.meta.dirname, "upload-run.ts"), endpoint, directory, id];
  const env = { ...process.env, ...testCredentials, AWS_EC2_METADATA_DISABLED: "true" };
  return spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"], env });
}

async function listed({ endpoint }: S3Server): Promise<string[]> {
  Object.assign(process.env, testCredentials);
  const remote = s3Remote({ endpoint, address: { bucket: "bucket", prefix: "killed" } });
  return (await remote.list("stack", transferContext())).map(({ id }) => id);
}
