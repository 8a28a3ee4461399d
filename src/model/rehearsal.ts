/** What a rehearsal found out. A member is absent if the rehearsal did not get that far. */
export interface Rehearsal {
  /** The id of the backup. */
  readonly source: string;
  readonly backupAgeSeconds: number;
  /** The old images on the restored data. */
  readonly control?: { readonly healthySeconds: number };
  readonly upgrade?: RehearsedUpgrade;
  readonly schema?: readonly SchemaChange[];
  /** The counts that differ after the upgrade. */
  readonly rows?: readonly CountChange[];
  readonly requires?: {
    readonly environment: readonly string[];
    readonly volumes: readonly string[];
  };
  /** Log lines of the new version, numbers removed, that look like failures and that the old version did not write. */
  readonly newLogTemplates?: readonly string[];
  readonly imageBytes?: { readonly from: number; readonly to: number };
  readonly rollBack?: RehearsedRollBack;
  readonly prediction?: Prediction;
  /** How the new definition of the services differs from the backup's in more than images, one line each. */
  readonly differences?: readonly string[];
  /** What the clone omits, one line each. */
  readonly omitted?: readonly string[];
  /** How often the live stack was looked at meanwhile, and how often it was not as well as at the beginning. */
  readonly live?: { readonly probes: number; readonly lost: number };
  /** Path of the record. */
  readonly record?: string;
  readonly comment?: { readonly state: CommentState; readonly url?: string };
  readonly [extra: string]: unknown;
}

/** What became of the comment on the pull request. */
export type CommentState = "created" | "updated" | "off" | "no-pull-request" | "failed";

/** The upgrade in the clone. */
interface RehearsedUpgrade {
  /** From the start of the swap until everything was healthy. */
  readonly healthySeconds: number;
  /** The same start once more, without migrations. */
  readonly secondStartSeconds?: number;
  /** The difference of the two starts; never below 0. */
  readonly migrationSeconds?: number;
  readonly migrations: readonly RehearsedMigration[];
}

/** One applied migration. */
export interface RehearsedMigration {
  readonly database: string;
  readonly id: string;
  /** Absent if the log does not show it. */
  readonly seconds?: number;
}

/** How the schema of one database changed. */
export interface SchemaChange {
  readonly database: string;
  /** Names of tables and of columns (`table.column`). */
  readonly added: readonly string[];
  readonly dropped: readonly {
    readonly what: "table" | "column";
    readonly name: string;
    /** The rows of the table, or the values of the column that were not null. */
    readonly values: number;
  }[];
  /** Columns with another type: `table.column: old -> new`. */
  readonly changed: readonly string[];
}

/** One count before and after. */
interface CountChange {
  readonly table: string;
  readonly before: number;
  readonly after: number;
}

/** The rollback in the clone. */
interface RehearsedRollBack {
  /** From the first stop until the old version was healthy on its data. */
  readonly seconds: number;
  /** Whether the old image also runs on the migrated data; absent if the upgrade failed. */
  readonly inPlace?: "works" | "fails";
}

/** What a live upgrade would take. */
export interface Prediction {
  readonly downtimeSeconds: number;
  readonly low: number;
  readonly high: number;
  readonly gateTimeoutSeconds: number;
  /** What the numbers are made of, one line each. */
  readonly basis: readonly string[];
}
