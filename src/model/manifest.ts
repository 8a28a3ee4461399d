import { z } from "zod";

/** The newest schema version of the manifest; a reader refuses a newer one. */
const newestSchemaVersion = 2;

/**
 * No manifest is larger: ten thousand components take about 8 MB. What claims more is not read.
 */
export const manifestLimitBytes = 64 * 2 ** 20;

/** A manifest whose shape a later version of this program defines. */
export class NewerManifestError extends Error {}

/** Names of the manifest in a backup's directory; the plain one is the last file that is written. */
export const manifestFile = "manifest.json";
/** The same text without `sealed`, encrypted. An attacker without the identity cannot change it to fit. */
export const sealedManifestFile = "manifest.json.age";

/** The signature of the plain manifest in OpenSSH's format. */
export const signatureFile = "manifest.json.sig";

/** The encrypted signature, which leaves the host: its name has the SHA-256 of its content. */
export function sealedSignatureFile(sha256: string): string {
  return `${signatureFile}.${sha256}.age`;
}

/** The SHA-256 in the name of an encrypted signature; undefined for another name. */
export function sealedSignatureHash(name: string): string | undefined {
  return /^manifest\.json\.sig\.([0-9a-f]{64})\.age$/.exec(name)?.[1];
}

/** The component that is no store's: the compose model and its files. */
export const stackKind = "stack";

const number = z.number().int().nonnegative();

/**
 * A count of items in a copy: exact if counted in the copy itself, or a range if counted in the live store just before
 * and just after the copy.
 */
const count = z.union([number, z.object({ min: number, max: number }).strict()]);

/** More than any chain has; a forged one must not open a thousand files at once. */
const mostBases = 8;

/** Each is opened by a verification: more take longer than anybody waits. */
const mostDatabases = 10_000;

const fileName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const compression = z.enum(["none", "zstd", "gzip"]);
const encryption = z.enum(["none", "age"]);

/** What is needed to read a component of an earlier backup, which lies beside this one. */
export interface ComponentBase {
  /** The id of that backup. */
  readonly backup: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly plainBytes: number;
  readonly plainSha256?: string | undefined;
  readonly compression: "none" | "zstd" | "gzip";
  readonly encryption: "none" | "age";
  /** What that file is a delta of, if it is one. */
  readonly base?: ComponentBase | undefined;
}

const base: z.ZodType<ComponentBase> = z.lazy(() =>
  z
    .object({
      // It becomes a part of a path.
      backup: fileName,
      file: fileName,
      ...{ bytes: number, sha256, plainBytes: number },
      plainSha256: sha256.optional(),
      ...{ compression, encryption },
      base: base.optional(),
    })
    .strict(),
);

const component = z
  .object({
    /** Unique in the manifest: `data`, `postgres-sophon`, `qdrant-documents`, `volume-uploads`. */
    name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/),
    /** A kind of store (`src/stores/stores.ts`), or {@link stackKind}. A reader says which kinds it does not know. */
    store: z.string().regex(/^[a-z][a-z0-9-]*$/),
    /** How the copy was made, such as `pg_dump -Fc`. */
    method: z.string(),
    /** The Compose service that owns the store, if any. */
    service: z.string().optional(),
    /** When the copy started and ended, ISO 8601 UTC. */
    startedAt: z.iso.datetime(),
    endedAt: z.iso.datetime(),
    /** File name inside the backup directory. */
    file: fileName,
    /** Size of the file as stored. */
    bytes: number,
    /** SHA-256 of the file as stored, lower-case hex. */
    sha256,
    /** Size before compression and encryption; of a delta, the size of what it makes of its base. */
    plainBytes: number,
    /** SHA-256 of these bytes, if it was taken. */
    plainSha256: sha256.optional(),
    /** `gzip` only for archives that were made by hand. */
    compression,
    encryption,
    /** The file is a delta in librsync's format against the plain bytes of this one. Only from schema 2 on. */
    base: base.optional(),
    /** Where the data is on the host or in the server: path, volume, database, collection. */
    source: z.string(),
    /** Counts by name: `files`, `table public.users`, `queue / jobs`. */
    counts: z.record(z.string(), count),
    /** Store-specific facts that a restore needs; never a secret. `file` and the names of databases become parts of paths. */
    details: z
      .record(z.string(), z.json())
      .refine(({ file }) => isName(file), {
        ...{ path: ["file"], message: "a name that leads elsewhere" },
      })
      .refine(({ databases }) => arePathsInside(databases), {
        ...{ path: ["databases"], message: "a path that leads elsewhere, or too many" },
      }),
    /** What could not be copied exactly, one line per item. */
    warnings: z.array(z.string()),
    /** The command that restores the component by hand. */
    recovery: z.string(),
  })
  .strict();

const service = z
  .object({
    image: z.string(),
    imageId: z.string(),
    /** `repository@sha256:...`, or null for an image that was never pushed or pulled. */
    repoDigest: z.string().nullable(),
    state: z.string(),
    replicas: number,
  })
  .strict();

const manifest = z
  .object({
    /** 2 for backups made with `incremental`, the full ones included. */
    schemaVersion: z.union([z.literal(1), z.literal(newestSchemaVersion)]),
    id: z.string(),
    /** The backup without which this one cannot be read; null for a full backup. Only from schema 2 on. */
    parent: z.object({ id: fileName, manifestSha256: sha256 }).strict().nullable().optional(),
    /** How many backups since the full one, which has 0. Only from schema 2 on. */
    serial: number.optional(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime(),
    toolVersion: z.string(),
    host: z.string(),
    project: z.string(),
    tier: z.enum(["personal", "pro", "enterprise", "other"]),
    consistency: z.enum(["live", "stopped"]),
    services: z.record(z.string(), service),
    /** Server versions by service, such as `{ postgres: "17.6" }`. */
    storeVersions: z.record(z.string(), z.string()),
    /** `rabbit@hostname`: the data can only be used with the same node name. Null without a broker. */
    brokerNodeName: z.string().nullable(),
    /** The last applied EF Core migration per database. */
    schemaHeads: z.record(z.string(), z.string()),
    /**
     * The first 16 hex digits of the SHA-256 of `vault.key`: enough to tell two keys apart, too little
     * to test guesses against. Null where the stack has no such key.
     */
    vaultKeyFingerprint: z.string().nullable(),
    components: z.array(component).min(1),
    warnings: z.array(z.string()),
    /**
     * Size and SHA-256 of the sealed manifest, so that its bytes are covered by checksums, too. Missing in an unencrypted
     * backup and in those of earlier versions. It is the last member: {@link withSealed}.
     */
    sealed: z.object({ bytes: number, sha256 }).strict().optional(),
  })
  .strict()
  .refine(hasChainOfItsSchema, { message: "parent, serial and base do not fit the schema" });

/** A count in a {@link Component}. */
export type Count = z.infer<typeof count>;
/** The part of a backup for one store. */
export type Component = z.infer<typeof component>;
/** What one Compose service was running when the backup was made. */
export type ServiceRecord = z.infer<typeof service>;
/** The description of one backup: everything a restore needs to know, and no secret. */
export type Manifest = z.infer<typeof manifest>;
/** The tiers of the Sophon page; `other` for any other stack. */
export type Tier = Manifest["tier"];

/** Every earlier backup without which this one cannot be read, the parent first. */
export function ancestorsOf({
  parent,
  components,
}: Pick<Manifest, "parent" | "components">): string[] {
  const bases = components.flatMap((one) => basesOf(one).map(({ backup }) => backup));
  return [...new Set([...(parent ? [parent.id] : []), ...bases])];
}

/** The files of earlier backups that a component is made of, the nearest first. */
export function basesOf({ base: first }: Pick<Component, "base">): ComponentBase[] {
  const bases: ComponentBase[] = [];
  for (let at = first; at !== undefined; at = at.base) bases.push(at);
  return bases;
}

/**
 * Reads a manifest.
 *
 * @throws NewerManifestError for a schema version after this one; Error when the text is not JSON or not a manifest of this schema version; the message names the first offending member.
 */
export function parseManifest(text: string): Manifest {
  const value: unknown = JSON.parse(text);
  const version = z.object({ schemaVersion: z.number() }).safeParse(value).data?.schemaVersion ?? 0;
  if (version > newestSchemaVersion) {
    throw new NewerManifestError(
      `manifest: made by a newer version of this program (schema ${version}): update it to read this backup`,
    );
  }
  const parsed = manifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`manifest: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
}

/** The bytes of a manifest as they are stored: two-space JSON and a final newline. */
export function formatManifest(value: Manifest): string {
  return formatJson(manifest.parse(value));
}

/**
 * The text of the plain manifest from that of the sealed one, which cannot name its own checksum.
 *
 * @throws Error when the text is not JSON.
 */
export function withSealed(text: string, sealed: Manifest["sealed"]): string {
  return formatJson({ ...(JSON.parse(text) as object), sealed });
}

/**
 * The text of the sealed manifest from that of the plain one.
 *
 * @returns undefined when the plain one is not exactly as {@link withSealed} makes it: another text may read as the same.
 */
export function withoutSealed(text: string): string | undefined {
  const { sealed, ...value } = JSON.parse(text) as { sealed?: Manifest["sealed"] };
  if (sealed === undefined) return text;
  return withSealed(formatJson(value), sealed) === text ? formatJson(value) : undefined;
}

/** Whether a member that may be missing is one name, which leads nowhere else. */
function isName(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "string" && /^(?!\.{0,2}$)[^/\0]+$/.test(value);
}

/** Whether the keys of an object of databases by path lead nowhere else. Lists of names in a server are no paths. */
function arePathsInside(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return true;
  const paths = Object.keys(value);
  if (paths.length > mostDatabases) return false;
  return paths.every((path) => !/^\/|(^|\/)\.\.(\/|$)|\0/.test(path));
}

function hasChainOfItsSchema(value: {
  readonly schemaVersion: number;
  readonly parent?: unknown;
  readonly serial?: number | undefined;
  readonly components: readonly { readonly base?: ComponentBase | undefined }[];
}): boolean {
  const { schemaVersion, parent, serial, components } = value;
  const hasBase = components.some(({ base }) => base !== undefined);
  if (components.some((one) => basesOf(one).length > mostBases)) return false;
  if (schemaVersion === 1) return parent === undefined && serial === undefined && !hasBase;
  if (parent === undefined || serial === undefined) return false;
  return parent === null ? serial === 0 && !hasBase : serial > 0;
}

function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
