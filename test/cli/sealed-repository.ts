import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { sha256Hex } from "../../src/core/hash.ts";
import { formatSignKey, newSignKey, signText } from "../../src/core/ssh-signature.ts";
import {
  formatManifest,
  type Manifest,
  sealedSignatureFile,
  signatureFile,
} from "../../src/model/manifest.ts";
import { marked } from "../../src/model/marks.ts";
import { Repository } from "../../src/repository/repository.ts";

interface AddOptions {
  readonly bytes?: number;
  readonly plain?: true;
  /** Whether the host that makes it signs it. */
  readonly signed?: true;
}

/** A repository as encrypted backups leave it, and the key that opens them. */
export interface SealedRepository extends AsyncDisposable {
  readonly repository: Repository;
  readonly identity: string;
  readonly recipient: string;
  /** The path of the key that signs lists and backups. */
  readonly signKey: string;
  /** Adds a backup of the project `stack`. @returns its id. */
  add(day: string, options?: AddOptions): Promise<string>;
}

/** Makes an empty one. */
export async function sealedRepository(): Promise<SealedRepository> {
  const path = await mkdtemp(join(tmpdir(), "sophon-keeper-sealed-"));
  const repository = new Repository(path);
  await repository.create();
  const identity = await generateX25519Identity();
  const keys = await mkdtemp(join(tmpdir(), "sophon-keeper-keys-"));
  const signKey = join(keys, "sign-key");
  const signer = newSignKey();
  await writeFile(signKey, formatSignKey(signer, "test"), { mode: 0o600 });
  const recipient = await identityToRecipient(identity);
  const seal = async (content: Uint8Array) => {
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    return await encrypter.encrypt(content);
  };
  let count = 0;
  return {
    repository,
    identity,
    recipient,
    signKey,
    async add(day, { bytes = 4096, plain = false, signed = false } = {}) {
      count += 1;
      const id = `stack-${day.replaceAll("-", "")}T021700Z-${String(count).padStart(4, "0")}`;
      const directory = repository.directory(id);
      await mkdir(directory, { mode: 0o700 });
      const sealed = await seal(Buffer.alloc(bytes, `what ${id} keeps`));
      const file = plain ? "data.tar.zst" : "data.tar.zst.age";
      await writeFile(join(directory, file), sealed);
      const text = formatManifest(manifestOf(id, day, file, sealed, plain));
      await writeFile(join(directory, "manifest.json"), text);
      if (!plain)
        await writeFile(join(directory, "manifest.json.age"), await seal(Buffer.from(text)));
      if (signed) {
        const signature = signText(text, signer);
        await writeFile(join(directory, signatureFile), signature);
        const sealedSignature = await seal(Buffer.from(signature));
        const name = sealedSignatureFile(sha256Hex(sealedSignature));
        await writeFile(join(directory, name), sealedSignature);
      }
      const at = `${day}T02:20:00.000Z`;
      await repository.mark(id, marked(undefined, sha256Hex(text), "checksum", at, "1.0.0"));
      return id;
    },
    [Symbol.asyncDispose]: async () => {
      for (const made of [path, keys]) await rm(made, { recursive: true, force: true });
    },
  };
}

function manifestOf(
  id: string,
  day: string,
  file: string,
  content: Uint8Array,
  plain: boolean,
): Manifest {
  const at = `${day}T02:17:00.000Z`;
  return {
    ...{ schemaVersion: 1, id, createdAt: at, finishedAt: at, toolVersion: "1.0.0", host: "host" },
    ...{ project: "stack", tier: "personal", consistency: "live", services: {} },
    ...{ storeVersions: {}, brokerNodeName: null, schemaHeads: {}, vaultKeyFingerprint: null },
    components: [
      {
        ...{ name: "data", store: "data", method: "tar", startedAt: at, endedAt: at, file },
        ...{ bytes: content.length, sha256: sha256Hex(content), plainBytes: 10_000 },
        ...{ compression: "zstd", encryption: plain ? "none" : "age", source: "/data" },
        ...{ counts: {}, details: {}, warnings: [], recovery: "tar -x" },
      },
    ],
    warnings: [],
  };
}
