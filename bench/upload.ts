import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { testCredentials } from "../test/contract/destinations/s3-subject.ts";
import { Served } from "../test/contract/destinations/served.ts";
import {
  ensureAws,
  ensureRclone,
  ensureVersitygw,
  rclonePath,
  versitygwPath,
} from "../test/lab/object-stores.ts";
import { labDirectory } from "../test/lab/state.ts";
import { bundledStep } from "./bundle.ts";
import { compare, fill, machine } from "./measure.ts";

/**
 * Sending a file to a real S3 server on this host, beside what a person would type: `npm run bench -- upload
 * [--mebibytes 1024] [--rounds 3] [--write]`. The goal for 1 GiB is 4.5 processor seconds and 150 MiB. Only the client is
 * measured. `--write` puts the result into docs/off-host.md.
 */
const { values } = parseArgs({
  options: {
    mebibytes: { type: "string", default: "1024" },
    rounds: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
  },
});
await ensureVersitygw();
await ensureRclone();
const base = mkdtempSync(join(labDirectory(), "bench-upload-"));
const bucket = join(base, "server", "bucket");
const file = join(base, "file");
const emptied = (): void => {
  rmSync(bucket, { recursive: true, force: true });
  mkdirSync(bucket, { recursive: true });
};
emptied();
const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = testCredentials;
const served = await Served.start(
  (port) => [
    versitygwPath(),
    "--port",
    `127.0.0.1:${port}`,
    "--quiet",
    "posix",
    join(base, "server"),
  ],
  { ROOT_ACCESS_KEY: id, ROOT_SECRET_KEY: secret },
);
try {
  const handle = openSync(file, "w");
  for (let at = 0; at < Number(values.mebibytes); at += 1) writeSync(handle, randomBytes(2 ** 20));
  closeSync(handle);
  const where = machine(base);
  console.log(`${where}; ${values.mebibytes} MiB\n`);
  const step = await bundledStep(join(base, "step"));
  const { endpoint } = served;
  const environment = {
    ...{ ...testCredentials, AWS_EC2_METADATA_DISABLED: "true", AWS_ENDPOINT_URL: endpoint },
    ...{ AWS_REGION: "us-east-1", RCLONE_CONFIG: "/dev/null" },
  };
  const s3 = [
    ":s3,provider=Other,env_auth=true,region=us-east-1,force_path_style=true,no_check_bucket=true",
  ];
  const rclone = [rclonePath(), "copyto", "--s3-endpoint", endpoint, file, `${s3}:bucket/rclone`];
  const own = [...step, "upload", endpoint, file];
  const all = [
    { name: "ours: sent, proven by the server's SHA-256", command: own, environment },
    { name: "`rclone copyto`", command: rclone, environment },
    {
      name: "`aws s3 cp`",
      command: [join(await ensureAws(), "aws"), "s3", "cp", file, "s3://bucket/aws"],
      environment,
    },
  ].map((one) => ({ ...one, prepare: emptied }));
  const table = compare(all, "`rclone copyto`", Number(values.rounds));
  if (values.write) {
    const day = new Date().toISOString().slice(0, 10);
    const about = `${values.mebibytes} MiB, ${values.rounds} rounds, ${day}; ${where}:`;
    fill(join(import.meta.dirname, "../docs/off-host.md"), "bench", `${about}\n\n${table}`);
  }
} finally {
  await served[Symbol.asyncDispose]();
  rmSync(base, { recursive: true, force: true });
}
