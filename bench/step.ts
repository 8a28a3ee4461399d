import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { IndexWriter } from "../src/archive/archive-index.ts";
import { asBuffer, release } from "../src/archive/io/byte-reader.ts";
import { readArchive } from "../src/archive/read-archive.ts";
import { packTar, unpackTar } from "../src/archive/tar/pack-tar.ts";
import { TarScanner } from "../src/archive/tar/scanner.ts";
import { writeArchive } from "../src/archive/write-archive.ts";
import { systemClock } from "../src/core/clock.ts";
import { silentReporter } from "../src/core/reporter.ts";
import { fsyncDirectory } from "../src/core/temp.ts";
import { S3Store } from "../src/destinations/s3/s3-store.ts";
import { archiveParts } from "./parts.ts";

/**
 * One step of the archive layer as a process of its own, for the benchmarks to time:
 * `step.ts pack <directory> <file> <recipient>`, `contents <file> <key file>`,
 * `unpack <file> <key file> <into>`, `checksum <file>`,
 * `upload <endpoint> <file>`, `read <directory>`, `parts <tar file> <file> <recipient>`.
 */
const [step = "", ...words] = process.argv.slice(2);
const [first = "", second = "", third = ""] = words;
const steps: Record<string, () => Promise<unknown>> = {
  pack,
  contents,
  unpack: async () => unpackTar({ ...(await readable()), into: third }),
  checksum,
  upload,
  read,
  parts: () => archiveParts(first, second, third),
};
await steps[step]?.();

/** As a backup makes it, the index included. */
async function pack(): Promise<void> {
  const index = new IndexWriter();
  const { source, done } = packTar({
    directory: first,
    listener: (member) => index.addMember(member),
  });
  const encrypt = { recipients: [third] };
  await writeArchive({ source, done, file: second, compress: true, encrypt, index });
  await fsyncDirectory(".");
}

/** Only what tar does, and looking at the headers of its output. */
async function read(): Promise<void> {
  const index = new IndexWriter();
  const { source } = packTar({ directory: first, listener: (member) => index.addMember(member) });
  for await (const block of source) source.pool?.give(asBuffer(block));
}

/** What `contents` does with a data directory's archive; its checksum is a pass of its own. */
async function contents(): Promise<void> {
  const scanner = new TarScanner();
  for await (const chunk of readArchive(await readable())) {
    scanner.update(chunk);
    release(chunk);
  }
  scanner.end();
}

async function readable() {
  const identities = [...(/^AGE-SECRET-KEY-1\w+$/m.exec(await readFile(second, "utf8")) ?? [])];
  return { file: first, compressed: true, decrypt: { identities } };
}

/** Sends a file to the bucket `bucket` and proves it there. */
async function upload(): Promise<void> {
  const store = new S3Store({
    ...{ address: { bucket: "bucket", prefix: "" }, endpoint: first, region: "us-east-1" },
    ...{ pathStyle: true, retryForMs: 0, stallMs: 60_000, limit: undefined, lock: undefined },
    ...{ partBytes: undefined, memory: undefined },
  });
  const { signal } = new AbortController();
  const tools = { reporter: silentReporter, clock: systemClock, signal };
  const stored = await store.putFile("ours", { path: second, sha256: undefined }, tools);
  console.log(stored.proof);
}

async function checksum(): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(first, { highWaterMark: 512 * 1024 })) {
    hash.update(chunk);
  }
  console.log(hash.digest("hex"));
}
