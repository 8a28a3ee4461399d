import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { writeArchive } from "../../../src/archive/write-archive.ts";
import {
  type Component,
  formatManifest,
  type Manifest,
  withSealed,
} from "../../../src/model/manifest.ts";
import { dataStore, volumeStore } from "../../../src/stores/tree/tree-store.ts";
import { bindMount, contextsOf, dataStoreAt } from "../stores-a/contexts.ts";

/** A backup with two encrypted components in a repository of its own, made by the real stores. */
export interface TestBackup {
  readonly repository: string;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly identity: string;
  readonly recipient: string;
}

/** Key pair of the operator in these tests. */
export async function keyPair(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/**
 * Makes a backup of a data directory with a database and of a volume.
 *
 * @param root - an empty directory
 * @param options - `rows` tells two generations apart; without a `recipient` nothing is encrypted
 */
export async function makeBackup(
  root: string,
  options: {
    id: string;
    rows?: number;
    recipient?: string | undefined;
    createdAt?: string;
    /** Adds to the volume. */
    fill?: (uploads: string) => void;
  },
): Promise<{ repository: string; directory: string; manifest: Manifest }> {
  const work = join(root, "work", options.id);
  const data = join(work, "data");
  const uploads = join(work, "uploads");
  for (const path of [join(data, "security"), join(data, "data"), uploads]) {
    await mkdir(path, { recursive: true });
  }
  await writeFile(join(data, "security/vault.key"), `key of ${options.id}`.padEnd(32, "."));
  for (let file = 0; file < 8; file++) {
    await writeFile(join(uploads, `file-${file}`), `${options.id} ${file} `.repeat(500 + file));
  }
  options.fill?.(uploads);
  fillDatabase(join(data, "data/sophon.db"), options.rows ?? 40);
  const recipients = options.recipient === undefined ? [] : [options.recipient];
  const { backup } = contextsOf(work, { sink: { recipients } });
  const components = [
    ...(await dataStore.backup(dataStoreAt(data), backup)),
    ...(await volumeStore.backup(
      {
        kind: "volume",
        name: "volume-uploads",
        mount: bindMount(uploads),
        services: ["gateway"],
        databases: [],
      },
      backup,
    )),
  ];
  const repository = join(root, "repository");
  const directory = join(repository, "backups", options.id);
  for (const part of ["backups", "marks"]) await mkdir(join(repository, part), { recursive: true });
  await rename(backup.sink.directory, directory);
  const manifest = manifestOf(options.id, components, options.createdAt);
  await writeFile(join(directory, "manifest.json"), formatManifest(manifest), { mode: 0o600 });
  if (options.recipient !== undefined) await seal(directory, manifest, options.recipient);
  return { repository, directory, manifest };
}

/** Writes the sealed manifest, and the plain one that records it, as a backup does. */
export async function seal(
  directory: string,
  { sealed: _old, ...manifest }: Manifest,
  recipient: string,
): Promise<void> {
  const text = formatManifest(manifest);
  const { bytes, sha256 } = await writeArchive({
    source: Readable.from([Buffer.from(text)]),
    file: join(directory, "manifest.json.age"),
    compress: false,
    encrypt: { recipients: [recipient] },
  });
  const plain = withSealed(text, { bytes, sha256 });
  await writeFile(join(directory, "manifest.json"), plain, { mode: 0o600 });
}

function fillDatabase(path: string, rows: number): void {
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)");
  const insert = database.prepare("INSERT INTO users (name) VALUES (?)");
  for (let row = 0; row < rows; row++) insert.run(`user ${row}`);
  database.close();
}

/** A manifest of these components. */
export function manifestOf(
  id: string,
  components: Component[],
  createdAt = "2026-01-02T03:04:05.000Z",
): Manifest {
  return {
    schemaVersion: 1,
    id,
    createdAt,
    finishedAt: createdAt,
    toolVersion: "0.0.0",
    host: "test",
    project: "sophon",
    tier: "personal",
    consistency: "live",
    services: {},
    storeVersions: {},
    brokerNodeName: null,
    schemaHeads: {},
    vaultKeyFingerprint: null,
    components,
    warnings: [],
  };
}
