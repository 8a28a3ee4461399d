import { execFileSync, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  formatSignKey,
  keyFingerprint,
  newSignKey,
  parsePublicKeys,
  parseSignKey,
  signerOf,
  signText,
} from "../../../src/core/ssh-signature.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";

const hasTool = spawnSync("ssh-keygen", ["-?"]).error === undefined;

describe("a signature", () => {
  const key = newSignKey();
  const text = '{ "id": "sophon-1" }\n';
  const signature = signText(text, key);

  it("tells its signer, and nothing for another text", () => {
    expect(signerOf(text, signature)).toBe(key.publicKey);
    expect(() => signerOf(`${text} `, signature)).toThrow("another text");
  });

  it("is none with any byte changed, cut or added", () => {
    const bytes = Buffer.from(signature);
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 32]) {
        const other = Buffer.from(bytes);
        other[at] = (bytes[at] ?? 0) ^ bit;
        expect(() => signerOf(text, other.toString("latin1")), `byte ${at}`).toThrow();
      }
      expect(() => signerOf(text, signature.slice(0, at))).toThrow();
    }
    for (const other of [`${signature}\n`, ` ${signature}`, signature.replaceAll("\n", "\r\n")]) {
      expect(() => signerOf(text, other)).toThrow();
    }
  });

  it("survives the way of a key to disk and back, also as PEM", () => {
    const again = parseSignKey(formatSignKey(key, "a host"));
    expect(signText(text, again)).toBe(signature);
    const pem = key.key.export({ format: "pem", type: "pkcs8" }).toString();
    expect(parseSignKey(pem).publicKey).toBe(key.publicKey);
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const rsa = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    expect(() => parseSignKey(rsa)).toThrow("Ed25519");
    expect(() => parseSignKey("nothing")).toThrow();
  });

  it.runIf(hasTool)("is read and written by ssh-keygen as well", async () => {
    await using directory = await temporaryDirectory("sophon-keeper-signature-");
    const at = (name: string) => join(directory.path, name);
    const keygen = (args: string[], input?: string) =>
      execFileSync("ssh-keygen", args, {
        encoding: "utf8",
        ...(input === undefined ? {} : { input }),
      });
    writeFileSync(at("key"), formatSignKey(key, "a host"), { mode: 0o600 });
    expect(keygen(["-y", "-f", at("key")]).trim()).toBe(`${key.publicKey} a host`);
    expect(keygen(["-l", "-f", at("key")])).toContain(keyFingerprint(key.publicKey));
    writeFileSync(at("signers"), `host namespaces="sophon-keeper" ${key.publicKey}\n`);
    writeFileSync(at("sig"), signature);
    const verify = ["-Y", "verify", "-f", at("signers"), "-I", "host", "-n", "sophon-keeper"];
    expect(keygen([...verify, "-s", at("sig")], text)).toContain("Good");
    expect(() => keygen([...verify, "-s", at("sig")], `${text}x`)).toThrow();

    keygen(["-q", "-t", "ed25519", "-N", "", "-C", "other", "-f", at("other")]);
    const other = parseSignKey(readFileSync(at("other"), "utf8"));
    expect(parsePublicKeys(readFileSync(at("other.pub"), "utf8"))).toEqual([other.publicKey]);
    expect(parsePublicKeys(readFileSync(at("signers"), "utf8"))).toEqual([key.publicKey]);
    writeFileSync(at("text"), text);
    keygen(["-q", "-Y", "sign", "-f", at("other"), "-n", "sophon-keeper", at("text")]);
    expect(signerOf(text, readFileSync(at("text.sig"), "utf8"))).toBe(other.publicKey);
    keygen([
      "-q",
      "-Y",
      "sign",
      "-f",
      at("other"),
      "-n",
      "file",
      "-O",
      "hashalg=sha512",
      at("other"),
    ]);
    const elsewhere = readFileSync(at("other.sig"), "utf8");
    expect(() => signerOf(readFileSync(at("other"), "utf8"), elsewhere)).toThrow("purpose");
    keygen(["-q", "-t", "ed25519", "-N", "secret", "-f", at("locked")]);
    expect(() => parseSignKey(readFileSync(at("locked"), "utf8"))).toThrow("passphrase");
  });
});
