import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeArchive } from "../../../src/archive/write-archive.ts";
import { restore } from "../../../src/commands/restore.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import {
  formatSignKey,
  newSignKey,
  type SignKey,
  signText,
} from "../../../src/core/ssh-signature.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Result } from "../../../src/model/result.ts";
import type { HostDependencies } from "../../../src/operations/session/dependencies.ts";
import { signingKey } from "../../../src/operations/session/sign-key.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { keyPair, makeBackup } from "./backup.ts";
import { copyOf } from "./damage.ts";
import { runVerify } from "./run.ts";

const id = "sophon-20260102T030405Z-00aa";
const temporary = await temporaryDirectory("sophon-keeper-origin-");
const root = temporary.path;
const operator = await keyPair();
const mine = newSignKey();
const stranger = newSignKey();
const trusted = { "trusted-signers": mine.publicKey };
let whole = "";
let rounds = 0;

beforeAll(async () => {
  ({ directory: whole } = await makeBackup(root, { id, recipient: operator.recipient }));
});
afterAll(() => temporary[Symbol.asyncDispose]());

/** Signs as a backup does. */
async function signed(key: SignKey | undefined): Promise<string> {
  const directory = await copyOf(whole, join(root, "elsewhere", id));
  if (key === undefined) return directory;
  const signature = signText(await readFile(join(directory, "manifest.json"), "utf8"), key);
  await writeFile(join(directory, "manifest.json.sig"), signature);
  const file = join(root, "sealed-signature");
  await rm(file, { force: true });
  const { sha256 } = await writeArchive({
    ...{ source: Readable.from([Buffer.from(signature)]), file, compress: false },
    encrypt: { recipients: [operator.recipient] },
  });
  renameSync(file, join(directory, `manifest.json.sig.${sha256}.age`));
  return directory;
}

async function restoreInto(raw: RawInputs): Promise<Result> {
  const none = async (): Promise<never> => {
    throw new RefusedError("there is no engine");
  };
  const target = join(root, `out-${rounds++}`);
  const given = { target, identity: operator.identity, ...raw };
  const options = parseOptions("restore", given, { workingDirectory: "/", home: undefined });
  const host = { project: none, readStack: none, workbench: none, engine: none };
  try {
    return await restore(options, {
      ...{ reporter: silentReporter, clock: systemClock, version: "0.0.0", destinations: {} },
      ...{ signal: new AbortController().signal, readInput: async () => new Uint8Array() },
      ...{ host, recoveries: {} },
    } as unknown as HostDependencies);
  } catch (error) {
    expect(existsSync(target)).toBe(false);
    throw error;
  }
}

describe("a signed backup", () => {
  it("is verified and restored where its signer is trusted", async () => {
    const backup = await signed(mine);
    const verified = await runVerify({ backup, level: "checksum", ...trusted });
    expect(verified).toMatchObject({ result: "verified", unknown: [] });
    expect(verified.checks).toContainEqual(
      expect.objectContaining({ name: "origin", status: "pass" }),
    );
    expect(await restoreInto({ backup, ...trusted })).toMatchObject({ result: "restored" });
  });

  it("is checked by ssh-keygen by hand", async () => {
    const backup = await signed(mine);
    writeFileSync(join(root, "signers"), `keeper namespaces="sophon-keeper" ${mine.publicKey}\n`);
    const args = [
      "-Y",
      "verify",
      "-f",
      join(root, "signers"),
      "-I",
      "keeper",
      "-n",
      "sophon-keeper",
    ];
    const input = await readFile(join(backup, "manifest.json"));
    const options = { input, encoding: "utf8" } as const;
    const told = execFileSync(
      "ssh-keygen",
      [...args, "-s", join(backup, "manifest.json.sig")],
      options,
    );
    expect(told).toContain("Good");
  });

  it.each([
    ["without a signature", undefined, "it is not signed"],
    ["signed by a stranger", stranger, "not trusted here"],
  ])(
    "is of unknown origin %s: verified, unless a signer is demanded, and restored only when told to",
    async (_how, key, why) => {
      const backup = await signed(key);
      const plain = await runVerify({ backup, level: "checksum" });
      expect(plain).toMatchObject({ result: "verified" });
      expect(plain.unknown).toEqual([expect.stringContaining(`unknown origin: `)]);
      const demanded = await runVerify({ backup, level: "checksum", ...trusted });
      expect(demanded).toMatchObject({ result: "unverifiable" });
      expect(demanded.reason?.message).toContain(why);
      const refused = restoreInto({ backup, ...trusted });
      await expect(refused).rejects.toMatchObject({ class: "unknown-origin", exitCode: 2 });
      await expect(refused).rejects.toThrow(why);
      const allowed = await restoreInto({ backup, ...trusted, "allow-unsigned": "true" });
      expect(allowed).toMatchObject({ result: "restored" });
    },
  );

  it("is damaged when manifest or signature is another, by any byte", async () => {
    const results = new Map<string, string>();
    for (const which of [/\.sig$/, /\.sig\..*\.age$/]) {
      for (let turn = 0; turn < 20; turn++) {
        const directory = await signed(mine);
        const [name = ""] = readdirSync(directory).filter((one) => which.test(one));
        const bytes = await readFile(join(directory, name));
        const at = Math.floor((turn * (bytes.length - 1)) / 19);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        await writeFile(join(directory, name), bytes);
        const { result } = await runVerify({ backup: directory, level: "checksum" });
        results.set(`${which} ${at}`, result);
      }
    }
    const forged = await signed(mine);
    const path = join(forged, "manifest.json");
    await writeFile(
      path,
      (await readFile(path, "utf8")).replace('"host": "test"', '"host": "tesu"'),
    );
    results.set("host", (await runVerify({ backup: forged, level: "checksum" })).result);
    expect(results.size).toBeGreaterThan(30);
    expect(new Set(results.values())).toEqual(new Set(["damaged"]));
    expect(await restoreInto({ backup: forged, ...trusted })).toMatchObject({ result: "damaged" });
  });

  it("is damaged when one of its two signatures is missing", async () => {
    for (const which of [/\.sig$/, /\.sig\..*\.age$/]) {
      const directory = await signed(mine);
      const [name = ""] = readdirSync(directory).filter((one) => which.test(one));
      rmSync(join(directory, name));
      const { result } = await runVerify({ backup: directory, level: "checksum" });
      expect(result).toBe("damaged");
    }
  });
});

describe("the key that signs", () => {
  const key = (path: string) => signingKey({ signKey: path }, "/repository", () => undefined);

  it("is refused when it is missing, readable by others, in the repository, or no key", async () => {
    const path = join(root, "sign-key");
    await expect(key(path)).rejects.toThrow("does not exist");
    writeFileSync(path, formatSignKey(mine, "test"), { mode: 0o600 });
    expect((await key(path))?.publicKey).toBe(mine.publicKey);
    chmodSync(path, 0o640);
    await expect(key(path)).rejects.toThrow(`chmod 600 ${path}`);
    chmodSync(path, 0o600);
    await expect(signingKey({ signKey: path }, root, () => undefined)).rejects.toThrow(
      "repository",
    );
    await appendFile(path, "more");
    await expect(key(path)).rejects.toThrow("cannot be used");
  });

  it("is trusted where it is given", async () => {
    const path = join(root, "sign-key-2");
    writeFileSync(path, formatSignKey(mine, "test"), { mode: 0o600 });
    const backup = await signed(mine);
    expect(await restoreInto({ backup, "sign-key": path })).toMatchObject({ result: "restored" });
  });

  it("is named by trusted-signers as a line of a .pub file or of allowed_signers, and nothing else", () => {
    const parse = (text: string) =>
      parseOptions(
        "verify",
        { "trusted-signers": text },
        { workingDirectory: "/", home: undefined },
      );
    const lines = `# mine\n${mine.publicKey} me@host\nhost namespaces="sophon-keeper" ${stranger.publicKey}\n`;
    expect(parse(lines).trustedSigners).toEqual([mine.publicKey, stranger.publicKey]);
    expect(() => parse("ssh-rsa AAAA")).toThrow(/^trusted-signers is no list of keys/);
  });
});
