import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { decryptStream, encryptStream } from "../../src/archive/age/age.ts";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { KeeperError } from "../../src/core/errors.ts";

// The test vectors that implementations of age share (C2SP, CCTV). Each is a header of lines, an empty line, and a file.

const files = createRequire(import.meta.url)("cctv-age") as Readonly<Record<string, Uint8Array>>;

interface Vector {
  readonly name: string;
  readonly facts: ReadonlyMap<string, string>;
  readonly identities: readonly string[];
  readonly file: Buffer;
}

const vectors = Object.entries(files)
  .filter(([name]) => name !== "default")
  .map(([name, content]) => parseVector(name, Buffer.from(content)))
  // Keys of other kinds, and age's form for mail, are never given to this program.
  .filter(({ facts, identities }) => {
    const isOurs = identities.every((identity) => /^AGE-SECRET-KEY-1[^P]/.test(identity));
    return facts.get("armored") !== "yes" && isOurs;
  });

function parseVector(name: string, content: Buffer): Vector {
  const end = content.indexOf("\n\n");
  const lines = content.toString("latin1", 0, end).split("\n");
  const pairs = lines.map((line) => {
    const at = line.indexOf(": ");
    return [line.slice(0, at), line.slice(at + 2)] as const;
  });
  const facts = new Map(pairs);
  const body = content.subarray(end + 2);
  const file = facts.get("compressed") === "zlib" ? inflateSync(body) : body;
  const identities = pairs.filter(([key]) => key === "identity").map(([, value]) => value);
  return { name, facts, identities, file: Buffer.from(file) };
}

/** The class of the error that each kind of failure is for us; and none for a success. */
const results: Readonly<Record<string, readonly string[]>> = {
  success: ["success"],
  "no match": ["unverifiable"],
  "HMAC failure": ["damaged"],
  "header failure": ["damaged"],
  "payload failure": ["damaged"],
};

it("holds enough vectors", () => {
  expect(vectors.length).toBeGreaterThan(60);
});

it.each(vectors)("reads $name as every age does", async ({ facts, identities, file }) => {
  const passphrase = facts.get("passphrase");
  const keys = { identities, ...(passphrase === undefined ? {} : { passphrase }) };
  const plain = createHash("sha256");
  let bytes = 0;
  let result = "success";
  try {
    const pieces = (async function* () {
      // Odd pieces: the edges of chunks and pieces must not matter.
      for (let at = 0; at < file.length; at += 4093) yield file.subarray(at, at + 4093);
    })();
    for await (const chunk of decryptStream(keys)(pieces)) {
      plain.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof KeeperError)) throw error;
    result = error.result;
  }
  expect(results[facts.get("expect") ?? ""]).toContain(result);
  const wanted = facts.get("payload");
  if (wanted === undefined || plain.digest("hex") === wanted) return;
  // Before a failure less may have been handed out: a chunk is held back until it is known whether it is the last.
  expect(result).not.toBe("success");
  expect(bytes % 65_536).toBe(0);
});

it.each([0, 1, 65_535, 65_536, 65_537, 131_072, 200_001])(
  "reads what it wrote: %d bytes",
  async (bytes) => {
    const { identity, recipient } = await newKeyPair();
    const content = Buffer.alloc(bytes, "what is kept ");
    const sealed = encryptStream({ recipients: [recipient] })(
      (async function* () {
        yield content;
      })(),
    );
    const read: Buffer[] = [];
    for await (const chunk of decryptStream({ identities: [identity] })(sealed)) {
      read.push(Buffer.from(chunk));
    }
    expect(Buffer.concat(read).equals(content)).toBe(true);
  },
);
