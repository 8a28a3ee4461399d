import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { Decrypter, Encrypter } from "age-encryption";
import { describe, expect, it } from "vitest";
import { decryptStream, encryptStream } from "../../src/archive/age/age.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

const CHUNK = 64 * 1024;
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 77, 3_000_000];

describe("age files", () => {
  it.each(SIZES)("of %i bytes made here open with age, and the other way round", async (size) => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { identity, recipient, keyFile } = ageKey(directory.path);
    const plain = randomBytes(size);

    const ours = join(directory.path, "ours.age");
    const pieces = Readable.from(unevenPieces(plain));
    writeFileSync(ours, await buffer(encryptStream({ recipients: [recipient] })(pieces)));
    expect(execFileSync("age", ["-d", "-i", keyFile, ours], { maxBuffer: 1e8 })).toEqual(plain);

    const theirs = execFileSync("age", ["-r", recipient], { input: plain, maxBuffer: 1e8 });
    const opened = decryptStream({ identities: [identity] })(Readable.from(unevenPieces(theirs)));
    expect(await buffer(opened)).toEqual(plain);
  });

  it("opens with each of several recipients", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const keys = ["a", "b", "c"].map((name) => ageKey(directory.path, name));
    const file = join(directory.path, "f.age");
    const recipients = keys.map((key) => key.recipient);
    const sealed = encryptStream({ recipients })(Readable.from([Buffer.from("for all of you")]));
    writeFileSync(file, await buffer(sealed));
    for (const { keyFile } of keys) {
      expect(execFileSync("age", ["-d", "-i", keyFile, file]).toString()).toBe("for all of you");
    }
  });

  it("shares passphrase files with the age-encryption package", async () => {
    const encrypt = encryptStream({ passphrase: "correct horse" });
    const sealed = await buffer(encrypt(Readable.from([Buffer.from("hello")])));
    const decrypter = new Decrypter();
    decrypter.addPassphrase("correct horse");
    expect(await decrypter.decrypt(sealed, "text")).toBe("hello");

    const encrypter = new Encrypter();
    encrypter.setPassphrase("battery staple");
    encrypter.setScryptWorkFactor(10);
    const theirs = Buffer.from(await encrypter.encrypt("good day"));
    const open = decryptStream({ passphrase: "battery staple" });
    expect((await buffer(open(Readable.from([theirs])))).toString()).toBe("good day");
    const wrong = decryptStream({ passphrase: "battery stable" });
    await expect(buffer(wrong(Readable.from([theirs])))).rejects.toMatchObject({
      class: "no-identity",
    });
  }, 60_000);

  it("of another owner are unverifiable, not damaged", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { recipient } = ageKey(directory.path, "mine");
    const { identity } = ageKey(directory.path, "other");
    const sealed = await buffer(
      encryptStream({ recipients: [recipient] })(Readable.from([Buffer.from("x")])),
    );
    const open = decryptStream({ identities: [identity] });
    await expect(buffer(open(Readable.from([sealed])))).rejects.toMatchObject({
      result: "unverifiable",
    });
  });

  it("are refused without a recipient", async () => {
    const seal = encryptStream({ recipients: [] });
    await expect(buffer(seal(Readable.from([Buffer.from("x")])))).rejects.toMatchObject({
      result: "refused",
    });
  });
});

function ageKey(directory: string, name = "key") {
  const keyFile = join(directory, `${name}.txt`);
  execFileSync("age-keygen", ["-o", keyFile], { stdio: "ignore" });
  const [identity = ""] = /^AGE-SECRET-KEY-1\w+$/m.exec(readFileSync(keyFile, "utf8")) ?? [];
  const recipient = execFileSync("age-keygen", ["-y", keyFile], { encoding: "utf8" }).trim();
  return { identity, recipient, keyFile };
}

/** Pieces of many sizes, so that every edge falls inside, on and between chunks. */
function* unevenPieces(bytes: Buffer): Generator<Buffer> {
  const sizes = [1, 100, CHUNK, 3, CHUNK + 16, 500_000, CHUNK - 1];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
