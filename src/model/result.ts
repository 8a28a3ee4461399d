import type { Reason } from "./reason.ts";
import type { Rehearsal } from "./rehearsal.ts";

export type { Reason } from "./reason.ts";

/** Every word that `result` may be (contract of the command line). */
export type ResultName =
  | "backed-up"
  | "verified"
  | "restored"
  | "passed"
  | "unchanged"
  | "recovered"
  | "clean"
  | "listed"
  | "pruned"
  | "uploaded"
  | "planned"
  | "error"
  | "refused"
  | "backup-failed"
  | "upload-failed"
  | "damaged"
  | "stale"
  | "failed"
  | "unverifiable"
  | "rolled-back"
  | "rollback-failed"
  | "restart-failed"
  | "locked"
  | "cancelled";

/** One check and its outcome. `unverifiable` never counts as good. */
export interface Check {
  readonly name: string;
  /** The checked component or service, if any. */
  readonly component?: string;
  readonly status: "pass" | "fail" | "unverifiable";
  readonly detail: string;
}

/** One upgraded service with its old and new image. */
export interface ServiceChange {
  readonly service: string;
  readonly from: string;
  /** `repository@sha256:...`, or the image id if the image is in no registry. */
  readonly fromDigest: string;
  readonly to: string;
  readonly toDigest: string;
}

/** The duration of each phase, and the downtime. Seconds from the start of the run. */
export interface Timeline {
  readonly phases: readonly {
    readonly phase: string;
    readonly fromSeconds: number;
    readonly seconds: number;
  }[];
  readonly downtime?: { readonly fromSeconds: number; readonly seconds: number };
}

/** How a backup compares with those before it. */
export interface Trend {
  /** How many earlier backups it is compared with. */
  readonly nights: number;
  /** Data now against their median: 0.14 is 14 % more. */
  readonly dataChange: number;
  /** Seconds now divided by their median. */
  readonly slowness: number;
}

/** The object that `--json` prints. The outputs of the action are derived from it. */
export interface Result {
  readonly result: ResultName;
  /** Wall time of the whole command, in seconds. */
  readonly seconds: number;
  readonly backupId?: string;
  readonly path?: string;
  readonly components?: readonly ComponentSummary[];
  readonly checks?: readonly Check[];
  readonly downtimeSeconds?: number;
  /** What an upgrade changed, by service. */
  readonly services?: readonly ServiceChange[];
  readonly timeline?: Timeline;
  /** What a rehearsal found out. */
  readonly rehearsal?: Rehearsal;
  /** The last log lines of each watched container, if the gate failed. */
  readonly lastLines?: Readonly<Record<string, readonly string[]>>;
  readonly from?: Readonly<Record<string, string>>;
  readonly to?: Readonly<Record<string, string>>;
  readonly reason?: Reason;
  /** The level of verification reached. */
  readonly level?: string;
  /** What could not be determined (backups made by hand). */
  readonly unknown?: readonly string[];
  /** The ids of earlier operations that were finished or undone first. */
  readonly recovered?: readonly string[];
  readonly warnings?: readonly string[];
  /** How this backup compares with the last seven. */
  readonly trend?: Trend;
  /** Where the backup was uploaded. */
  readonly artifact?: {
    readonly name: string;
    readonly id?: string | undefined;
    readonly bytes: number;
    readonly sha256: string;
  };
  /** The copies off this host that this run made or found. */
  readonly uploads?: readonly UploadSummary[];
  /** Command-specific members: `backups` of list, `removed` of prune, `plan` of a dry run. */
  readonly [extra: string]: unknown;
}

/** One copy of a backup off this host. */
export interface UploadSummary {
  readonly backupId: string;
  /** The destination, such as `s3://BUCKET/PREFIX` or `cache`. */
  readonly to: string;
  /** The name of the copy at the destination. */
  readonly name: string;
  readonly bytes: number;
  /** How it was proven that the destination holds these bytes; `listed`: only that it tells to have them. */
  readonly proof: string;
}

/** One component in a report. */
export interface ComponentSummary {
  readonly name: string;
  readonly store: string;
  /** Size of the file as stored, in bytes. */
  readonly bytes: number;
  /** Size before compression and encryption, in bytes. */
  readonly plainBytes?: number;
  readonly seconds?: number;
  /** Counts for people, such as `14 tables, 12,031 rows`. */
  readonly summary?: string;
}
