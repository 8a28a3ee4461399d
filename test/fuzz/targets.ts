import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { decryptStream } from "../../src/archive/age/age.ts";
import { TarScanner } from "../../src/archive/tar/scanner.ts";
import { decompress } from "../../src/archive/zstd/decompress.ts";
import { systemClock } from "../../src/core/clock.ts";
import { KeeperError } from "../../src/core/errors.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import { scan } from "../../src/log-scan/scan.ts";
import { formatManifest, parseManifest } from "../../src/model/manifest.ts";
import { PlainSqlGuard } from "../../src/operations/manual/read/plain-sql.ts";
import { withUnpacked } from "../../src/operations/restore/uploaded-backup.ts";
import { listUnfinished } from "../../src/operations/session/journal.ts";
import { LineFile, readLines } from "../../src/operations/session/journal-file.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { logs, manifestText, paxRecords, sqlTexts, tarOf, withChecksums } from "./corpus.ts";
import type { Target } from "./fuzz.ts";

/** Everything that reads what others wrote. @param directory - an empty one, for those that read files */
export function targetsIn(directory: string): readonly Target[] {
  return [tar, zstd, age, manifest, journalIn(directory), logScan, sql, artifactIn(directory)];
}

const tar: Target = {
  name: "tar",
  corpus: [
    tarOf([["a", "0", "content"]]),
    tarOf([
      ["PaxHeaders/x", "x", paxRecords({ path: "long/name", size: "3", mtime: "1.5" })],
      ["x", "0", "abc"],
      ["d/", "5", ""],
      ["l", "2", ""],
    ]),
    tarOf([
      [
        "PaxHeaders/s",
        "x",
        paxRecords({
          "GNU.sparse.major": "1",
          "GNU.sparse.name": "key",
          "GNU.sparse.realsize": "9",
        }),
      ],
      ["s", "0", `1\n4\n5\n${"\0".repeat(506)}12345`],
    ]),
    tarOf([
      ["././@LongLink", "L", `${"n/".repeat(80)}\0`],
      ["n", "0", "x"],
    ]),
  ],
  read(given) {
    // Half of them with checksums that fit: the others end at the first header.
    const input = given.length % 2 === 0 ? withChecksums(given) : given;
    const whole = scanned([input]);
    const pieces = Array.from({ length: Math.ceil(input.length / 333) }, (_, at) =>
      input.subarray(at * 333, at * 333 + 333),
    );
    const told = scanned(pieces);
    if (whole !== told) return `in pieces it reads ${told}, as a whole ${whole}`;
    const wrong = /null|NaN|-\d+"|":-/.exec(whole);
    return wrong === null ? undefined : `it counts what is no number: ${whole}`;
  },
};

/** What a scanner makes of a stream, as one text: its counts, or that it is damaged. */
function scanned(pieces: readonly Buffer[]): string {
  const scanner = new TarScanner({ wanted: [{ name: "key", keepBytes: 1024 }, { name: "a" }] });
  try {
    for (const piece of pieces) scanner.update(piece);
    scanner.end();
  } catch (error) {
    if (error instanceof KeeperError) return error.result;
    throw error;
  }
  const { found, ...counts } = scanner.summary();
  const files = [...found].map(([name, { bytes, sha256 }]) => [name, bytes, sha256]);
  return JSON.stringify({ ...counts, files });
}

const zstd: Target = {
  name: "zstd",
  corpus: [
    zstdCompressSync(Buffer.from("one frame")),
    Buffer.concat([
      zstdCompressSync(Buffer.alloc(70_000, "ab")),
      zstdCompressSync(Buffer.alloc(0)),
    ]),
    Buffer.concat([
      Buffer.from("502a4d1803000000616263", "hex"),
      zstdCompressSync(Buffer.from("x")),
    ]),
  ],
  async read(input) {
    const [whole, pieces] = [
      await plainOf(decompress(of([input]))),
      await plainOf(decompress(of(split(input, 7)))),
    ];
    return whole === pieces ? undefined : `in pieces it reads ${pieces}, as a whole ${whole}`;
  },
};

const vectors = createRequire(import.meta.url)("cctv-age") as Readonly<Record<string, Uint8Array>>;
const ageVectors = ["x25519", "x25519_grease", "stream_two_chunks", "x25519_no_match"]
  .flatMap((name) => (vectors[name] === undefined ? [] : [Buffer.from(vectors[name])]))
  .map((content) => {
    const end = content.indexOf("\n\n");
    const head = content.toString("latin1", 0, end);
    const fact = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(head)?.[1];
    return {
      identity: fact("identity"),
      payload: fact("payload"),
      file: content.subarray(end + 2),
      isPlain: fact("compressed") === undefined,
    };
  })
  .filter(({ isPlain }) => isPlain);

const age: Target = {
  name: "age",
  corpus: ageVectors.map(({ file }) => file),
  async read(input) {
    const identities = ageVectors.flatMap(({ identity }) =>
      identity === undefined ? [] : [identity],
    );
    const read = await plainOf(decryptStream({ identities })(of(split(input, 13))));
    const isKnown =
      ageVectors.some(({ payload }) => payload === read) || !/^[0-9a-f]{64}$/.test(read);
    return isKnown ? undefined : `it decrypts to what nobody encrypted: ${read}`;
  },
};

const manifest: Target = {
  name: "manifest",
  corpus: [Buffer.from(manifestText)],
  isExpected: (error) =>
    error instanceof Error && !/^(Type|Range|Reference)Error$/.test(error.name),
  read(input) {
    const parsed = parseManifest(input.toString("utf8"));
    const again = parseManifest(formatManifest(parsed));
    return JSON.stringify(again) === JSON.stringify(parsed)
      ? undefined
      : "it changes when it is written";
  },
};

function journalIn(directory: string): Target {
  const entries = [
    {
      seq: 0,
      time: "2026-01-02T03:04:05.000Z",
      operation: "backup",
      phase: "opened",
      step: "opened",
      data: { format: 1, about: {} },
    },
    {
      seq: 1,
      time: "2026-01-02T03:04:06.000Z",
      operation: "backup",
      phase: "copy",
      step: "partial",
      data: { path: "/x" },
    },
    {
      seq: 2,
      time: "2026-01-02T03:04:07.000Z",
      operation: "backup",
      phase: "closed",
      step: "closed",
      data: { outcome: "done" },
    },
  ].map((entry) => JSON.stringify(entry));
  return {
    name: "journal",
    corpus: [
      Buffer.from(`${entries.join("\n")}\n\n\n`),
      Buffer.from(`${entries.slice(0, 2).join("\n")}\n`),
    ],
    read(input) {
      mkdirSync(join(directory, "operations"), { recursive: true });
      writeFileSync(join(directory, "operations", "x.jsonl"), input);
      listUnfinished(join(directory, "operations"));
      const { length } = readLines(join(directory, "operations"), "x");
      // Whatever was read, a step that is recorded next is read back.
      using file = LineFile.open(join(directory, "operations"), "x");
      file.append(JSON.stringify({ seq: length, step: "next" }));
      const last = readLines(join(directory, "operations"), "x").at(-1);
      return last?.step === "next" ? undefined : "the next step is not read back";
    },
  };
}

const logScan: Target = {
  name: "log",
  corpus: logs.map((text) => Buffer.from(text)),
  read(input) {
    const { verdict, decisive, records, judged } = scan(input.toString("utf8"));
    if ((verdict === "failed") !== (decisive !== undefined)) return `${verdict} without its reason`;
    return judged <= records ? undefined : `it judged ${judged} of ${records} records`;
  },
};

const sql: Target = {
  name: "sql",
  corpus: sqlTexts.map((text) => Buffer.from(text)),
  read(input) {
    const judged = (pieces: readonly Buffer[]) => {
      const guard = new PlainSqlGuard();
      const kept = [...pieces.map((piece) => guard.update(piece)), guard.end()];
      const text = guard.problem === undefined ? Buffer.concat(kept).toString("latin1") : "";
      return JSON.stringify([guard.problem, text]);
    };
    const [whole, pieces] = [judged([input]), judged(split(input, 11))];
    return whole === pieces ? undefined : `in pieces it is judged ${pieces}, as a whole ${whole}`;
  },
};

function artifactIn(directory: string): Target {
  const file = ageVectors[0]?.file ?? Buffer.alloc(0);
  return {
    name: "artifact",
    corpus: [
      tarOf([
        ["manifest.json.age", "0", file],
        ["data.tar.zst.age", "0", file],
      ]),
      tarOf([
        ["manifest.json.age", "2", ""],
        ["../../escape", "0", "x"],
        ["/tmp/escape", "0", "x"],
      ]),
    ],
    async read(input) {
      const path = join(directory, "backup.tar");
      writeFileSync(path, input);
      const { identity = "" } = ageVectors[0] ?? {};
      const raw = { backup: path, identity, repository: join(directory, "repository") };
      const options = parseOptions("restore", raw, {
        workingDirectory: directory,
        home: undefined,
      });
      const error = await withUnpacked(options, {
        ...{ reporter: silentReporter, signal: new AbortController().signal, destinations: {} },
        ...{ clock: systemClock, version: "0", readInput: async () => new Uint8Array() },
        host: { project: async () => "sophon" },
      }).then(
        () => new Error("no such file is a backup"),
        (thrown: unknown) => thrown,
      );
      const known = ["backup.tar", "operations", "repository"];
      const odd = readdirSync(directory).filter((name) => !known.includes(name));
      if (odd.length > 0) return `it wrote ${odd.join(", ")}`;
      throw error;
    },
  };
}

/** The SHA-256 of what is read, at most 64 MiB of it; or the result of the error. */
async function plainOf(plain: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of plain) {
      hash.update(chunk);
      bytes += chunk.length;
      if (bytes > 64 * 2 ** 20) return "large";
    }
  } catch (error) {
    if (error instanceof KeeperError) return error.result;
    throw error;
  }
  return hash.digest("hex");
}

async function* of(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  // Readers may reuse what they are given.
  for (const piece of pieces) yield Buffer.from(piece);
}

function split(input: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(input.length / size) }, (_, at) =>
    input.subarray(at * size, at * size + size),
  );
}
