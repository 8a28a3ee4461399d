import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { IndexWriter } from "../../src/archive/archive-index.ts";
import { BLOCK_BYTES, BlockPool, intoBlocks } from "../../src/archive/io/block-pool.ts";
import { indexedRanges } from "../../src/archive/read-indexed.ts";
import { compressBlocks, type FrameFacts } from "../../src/archive/zstd/compress.ts";
import { type FrameHash, fastestHash } from "../../src/archive/zstd/frame-digest.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

const plain = Buffer.concat([randomBytes(BLOCK_BYTES + 99), Buffer.alloc(BLOCK_BYTES, "text ")]);

describe.each<[FrameHash, string]>([
  ["sha256", "sha256sum"],
  ["blake2b512", "b2sum"],
])("an archive whose frames are proven by %s", (hash, tool) => {
  it("gives back a part, has the digests of the tool, and no part that was changed", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "x.zst");
    const index = new IndexWriter();
    const facts: FrameFacts[] = [];
    const pool = new BlockPool();
    const frames = index.follow((onFrame) => {
      const blocks = intoBlocks(Readable.from([plain]), pool);
      const noted = (frame: FrameFacts) => {
        facts.push(frame);
        onFrame(frame);
      };
      return compressBlocks(blocks, pool, noted, hash);
    });
    writeFileSync(file, await buffer(frames));
    const place = index.place;
    if (place === undefined) throw new Error("it has no index");

    const range = { offset: BLOCK_BYTES - 50, bytes: 100 };
    const part = () => buffer(indexedRanges({ file }, place, [range]));
    const { offset, bytes } = range;
    expect((await part()).equals(plain.subarray(offset, offset + bytes))).toBe(true);

    const whole = readFileSync(file);
    const [first] = facts;
    const input = whole.subarray(0, first?.bytes);
    const [digits] = execFileSync(tool, { input, encoding: "utf8" }).split(" ");
    expect(first?.digest.split(":").at(-1)).toBe(digits);

    whole[1000] = (whole[1000] ?? 0) ^ 1;
    writeFileSync(file, whole);
    await expect(part()).rejects.toThrow("a part of the archive is not the recorded one");
  });
});

it("the fastest hash is SHA-256 where a processor has instructions for it, and BLAKE2b where it has none", () => {
  const flags =
    /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  const module = join(import.meta.dirname, "../../src/archive/zstd/frame-digest.ts");
  const script = `import { fastestHash } from ${JSON.stringify(module)}; console.log(fastestHash());`;
  const fastest = (env: NodeJS.ProcessEnv) =>
    execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
      env: { ...process.env, ...env },
      encoding: "utf8",
    }).trim();
  if (flags.includes("sha_ni")) expect(fastest({})).toBe("sha256");
  // OpenSSL's own switch: without SHA-NI.
  if (process.arch === "x64")
    expect(fastest({ OPENSSL_ia32cap: ":~0x20000000" })).toBe("blake2b512");
  expect(["sha256", "blake2b512"]).toContain(fastestHash());
});
