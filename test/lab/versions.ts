/** One way to ruin data; see images/gateway/app/wreck.py. */
export type WreckKind =
  | "rewrite-sqlite"
  | "leave-wal"
  | "drop-tables"
  | "delete-collections"
  | "delete-keys"
  | "delete-queues"
  | "delete-files"
  | "write-files"
  | "corrupt-vault"
  | "chown";

/** How a version of the gateway stand-in fails; see images/gateway/app/faults.py. */
export interface GatewayFaults {
  /** Ends at once unless this environment variable is set. */
  readonly requiresEnv?: string;
  readonly hang?: "migration-lock";
  /** The last migration fails; the process ends, or serves all the same. */
  readonly migrationFails?: "exit" | "continue";
  /**
   * A migration that takes long. Its steps show in the log, or, when silent, only in the database, or, when it
   * computes, in neither until it ends.
   */
  readonly slowMigration?: {
    readonly seconds: number;
    readonly steps: number;
    readonly silent?: boolean;
    readonly computes?: boolean;
  };
  readonly exit?: { readonly code: number; readonly afterSeconds?: number };
  readonly unhealthy?: true | { readonly afterSeconds: number } | { readonly untilSeconds: number };
  readonly fillMemory?: true;
  /** Fills the data directory's file system, with at most this many bytes. */
  readonly fillDisk?: number;
  readonly corruptVault?: true;
}

/** A version of the gateway stand-in: all of its behaviour, as data. */
export interface GatewayVersion {
  readonly version: string;
  /** Ids from images/gateway/app/catalogue.py, or migrations of its own. */
  readonly migrations: readonly (
    | string
    | { readonly id: string; readonly sql: readonly string[] }
  )[];
  readonly faults?: GatewayFaults;
  /** What it does to the data at each start: once migrated, or just before it fails. */
  readonly wreck?: readonly WreckKind[];
  /** The image's user; by default 1654, as .NET images have it. */
  readonly user?: string;
}

const baseline = ["20250901000000_Init", "20250915000000_AddDocuments", "20250930000000_AddQuota"];
const tenants = [...baseline, "20251020000000_AddTenants"];
const split = [...tenants, "20251118000000_SplitMessages"];

/** Every way to ruin data at once. */
export const wreckAll: readonly WreckKind[] = [
  "rewrite-sqlite",
  "drop-tables",
  "leave-wal",
  "delete-collections",
  "delete-keys",
  "delete-queues",
  "delete-files",
  "write-files",
  "chown",
];

/** Versions that are as they should be. */
export const goodVersions = {
  "1.0.0": { version: "1.0.0", migrations: baseline },
  "1.1.0": { version: "1.1.0", migrations: tenants },
  "1.2.0": { version: "1.2.0", migrations: split },
  /** Its log is full of words that a naive scan takes for a failure. */
  "1.2.0-words": {
    version: "1.2.0-words",
    migrations: [
      ...split,
      "20251119000000_AddErrorLogTable",
      "20251120000000_FixMigrationFailedFlag",
    ],
  },
  "1.2.0-slow-migration": {
    version: "1.2.0-slow-migration",
    migrations: split,
    faults: { slowMigration: { seconds: 120, steps: 24 } },
  },
  "1.2.0-slow-health": {
    version: "1.2.0-slow-health",
    migrations: split,
    faults: { unhealthy: { untilSeconds: 20 } },
  },
} as const satisfies Record<string, GatewayVersion>;

/** Versions that each fail in one way; {@link wrecking} makes them ruin the data as well. */
export const badVersions = {
  unhealthy: bad("unhealthy", { unhealthy: true }),
  "migration-failed-but-healthy": bad("migration-failed-but-healthy", {
    migrationFails: "continue",
  }),
  "migration-failed": bad("migration-failed", { migrationFails: "exit" }),
  "crash-loop": bad("crash-loop", { exit: { code: 139, afterSeconds: 1 } }),
  "exit-zero": bad("exit-zero", { exit: { code: 0 } }),
  "healthy-briefly": bad("healthy-briefly", { unhealthy: { afterSeconds: 5 } }),
  "migration-lock": bad("migration-lock", { hang: "migration-lock" }),
  "out-of-memory": bad("out-of-memory", { fillMemory: true }),
  "fills-disk": bad("fills-disk", { fillDisk: 512 * 1024 * 1024 }),
  "corrupts-vault": bad("corrupts-vault", { corruptVault: true }),
  "missing-env": bad("missing-env", { requiresEnv: "SOPHON_LICENSE_KEY" }),
} as const satisfies Record<string, GatewayVersion>;

export type GoodVersion = keyof typeof goodVersions;
export type BadVersion = keyof typeof badVersions;

/** The same version, ruining data at each start; as root, so that it may also change owners. */
export function wrecking(
  version: GatewayVersion,
  wreck: readonly WreckKind[] = wreckAll,
): GatewayVersion {
  return { ...version, version: `${version.version}-wrecking`, wreck, user: "root" };
}

function bad(name: string, faults: GatewayFaults): GatewayVersion {
  return { version: `1.3.0-${name}`, migrations: split, faults };
}
