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

/** One thing that was looked at, and what came out. `unverifiable` never counts as good. */
export interface Check {
  readonly name: string;
  /** The component or service the check is about, where there is one. */
  readonly component?: string;
  readonly status: "pass" | "fail" | "unverifiable";
  readonly detail: string;
}

/** Why an operation ended as it did. */
export interface Reason {
  readonly class: string;
  readonly message: string;
  /** The decisive log line, or the tail of a tool's stderr. */
  readonly evidence?: string;
  /** What the reader can do about it. */
  readonly hint?: string;
}

/** One upgraded service: what it ran and what it was to run. */
export interface ServiceChange {
  readonly service: string;
  readonly from: string;
  /** `repository@sha256:...`, or the engine's id of an image that is in no registry. */
  readonly fromDigest: string;
  readonly to: string;
  readonly toDigest: string;
}

/** How long each phase took, and where the service was away. Seconds, counted from the beginning of the run. */
export interface Timeline {
  readonly phases: readonly {
    readonly phase: string;
    readonly fromSeconds: number;
    readonly seconds: number;
  }[];
  readonly downtime?: { readonly fromSeconds: number; readonly seconds: number };
}

/** The one object that `--json` prints, and that the outputs of the action are taken from. */
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
  /** The last log lines of the containers that were watched, by container, where the gate said no. */
  readonly lastLines?: Readonly<Record<string, readonly string[]>>;
  readonly from?: Readonly<Record<string, string>>;
  readonly to?: Readonly<Record<string, string>>;
  readonly reason?: Reason;
  /** The level of verification reached. */
  readonly level?: string;
  /** What could not be known (hand-made backups). */
  readonly unknown?: readonly string[];
  /** The id of an earlier operation that was finished or undone first. */
  readonly recovered?: readonly string[];
  readonly warnings?: readonly string[];
  /** Where the backup was also put, by its destination. */
  readonly artifact?: {
    readonly name: string;
    readonly id?: string | undefined;
    readonly bytes: number;
    readonly sha256: string;
  };
  /** Command-specific members: `backups` of list, `removed` of prune, `plan` of a dry run. */
  readonly [extra: string]: unknown;
}

/** What a report shows of one component. */
export interface ComponentSummary {
  readonly name: string;
  readonly store: string;
  /** Size of the file as stored, in bytes. */
  readonly bytes: number;
  /** Size before compression and encryption, in bytes. */
  readonly plainBytes?: number;
  readonly seconds?: number;
  /** Counts as a human reads them, such as `14 tables, 12,031 rows`. */
  readonly summary?: string;
}
