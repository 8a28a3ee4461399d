import type { Reason } from "./reason.ts";

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
    /** Variables that a new image declares, or whose absence kept it from starting, and that the definition does not set. */
    readonly environment: readonly string[];
    /** Paths that a new image declares as volumes and that the definition mounts nothing at. */
    readonly volumes: readonly string[];
  };
  /** Warnings and failures that the new version logs and the old one does not; numbers and ids are `#`. */
  readonly newLogTemplates?: readonly string[];
  /** The most memory that all containers of the clone used at one time, without the cache of files. */
  readonly memoryPeakBytes?: number;
  /** The packets of containers of the clone that had a network which leads out of it; 0 if none had one. */
  readonly packetsOut?: number;
  /** What the clone's data and its rollback copy used on disk after the upgrade. */
  readonly diskPeakBytes?: number;
  /** How many processors the clone had during the upgrade: what it used, and what nobody used. */
  readonly processorsFree?: number;
  /** Whether the data came from a kept copy instead of a restore, and whether it is kept for the next rehearsal. */
  readonly template?: { readonly used: boolean; readonly kept: boolean };
  /** The sizes of all images that change, together. */
  readonly imageBytes?: { readonly from: number; readonly to: number };
  readonly rollBack?: RehearsedRollBack;
  readonly prediction?: Prediction;
  /** How the new definition of the services differs from the backup's in more than images, one line each. */
  readonly differences?: readonly string[];
  /** The lines of the new files that name the new images; lines count from 1. */
  readonly imageLines?: readonly {
    readonly service: string;
    readonly file: string;
    readonly line: number;
  }[];
  /** With `candidates`: what was found out of each, in their order. What is of one candidate alone is only here. */
  readonly candidates?: readonly Candidate[];
  /** What the clone omits, one line each. */
  readonly omitted?: readonly string[];
  /** The live stack meanwhile; absent if nothing of it runs on this host. */
  readonly live?: LiveMeanwhile;
  /** Path of the record. */
  readonly record?: string;
  readonly comment?: { readonly state: CommentState; readonly url?: string };
  readonly [extra: string]: unknown;
}

/** One of several images that were tried for the same service. */
export interface Candidate
  extends Pick<
    Rehearsal,
    | "upgrade"
    | "schema"
    | "rows"
    | "requires"
    | "newLogTemplates"
    | "imageBytes"
    | "rollBack"
    | "prediction"
    | "record"
  > {
  readonly service: string;
  readonly reference: string;
  /** `refused`: it cannot take over the data, for example because its major version is another one. */
  readonly result: "passed" | "failed" | "refused" | "damaged" | "unverifiable" | "unchanged";
  readonly reason?: Reason;
  /** `repository@sha256:...`, or the image id if the image is in no registry. */
  readonly digest?: string;
  readonly lastLines?: Readonly<Record<string, readonly string[]>>;
  readonly seconds: number;
}

/** How the live stack did while the clone ran. */
interface LiveMeanwhile {
  /** How often it was looked at, and how often it was not as well as at the beginning. */
  readonly probes: number;
  readonly lost: number;
  /** The 95th percentile of the times in which it answered; absent if no address of it is known. */
  readonly p95BeforeMs?: number;
  readonly p95DuringMs?: number;
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
  /** The sum of the parts, before the correction by earlier live upgrades. Records of earlier versions lack it. */
  readonly partsSeconds?: number | undefined;
  readonly low: number;
  readonly high: number;
  readonly gateTimeoutSeconds: number;
  /** What the numbers are made of, one line each. */
  readonly basis: readonly string[];
}
