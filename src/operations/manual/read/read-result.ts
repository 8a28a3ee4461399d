import type { Containers } from "../../../core/containers.ts";
import type { Check } from "../../../model/result.ts";
import type { Counts } from "../../../stores/store.ts";
import type { HandMadeFile } from "../find-files.ts";

/** What reading a file found out. Counts are those of the file itself: nothing was recorded when it was made. */
export interface Examined {
  readonly file: HandMadeFile;
  readonly checks: readonly Check[];
  /** What could not be known, one line each. */
  readonly unknown: readonly string[];
  readonly counts: Counts;
  /** Rows by schema and table, of a dump. */
  readonly tables?: readonly (readonly [string, string, number])[];
  /** What the file tells of the PostgreSQL that it is of. */
  readonly server?: { readonly version: string; readonly major: number } | undefined;
  /** The database that a dump in the custom format is of. */
  readonly database?: string;
  /** SQLite databases in the archive, by their paths in it. */
  readonly databases?: readonly string[];
  /** The collection that a Qdrant snapshot is of, and its SHA-256. */
  readonly snapshot?: { readonly collection: string; readonly sha256: string };
  /** How Redis finds its data in the archive. */
  readonly redis?: RedisContent;
}

/** What an archive of a Redis volume holds that a server would load. */
export interface RedisContent {
  /** Path of the append-only file's manifest, or of the one file of old versions. */
  readonly appendOnly: string | undefined;
  /** Path of the dump. */
  readonly rdb: string | undefined;
}

/** What reading a file is given. */
export interface ExamineContext {
  readonly signal: AbortSignal;
  /** The key file that an archive of the data directory must hold; undefined for none. */
  readonly vaultKey: string | undefined;
  readonly containers: Pick<Containers, "runOnce">;
  /** The image of the stack's own server of a kind. @throws UnverifiableError when there is none. */
  readonly imageOf: (kind: "postgres" | "redis") => Promise<string>;
}

/** Only what was recorded when a file was made could tell these. */
export const unknownOfAll: readonly string[] = [
  "no checksum was recorded when it was made: a file that was replaced by another good one is not seen",
  "no counts were recorded: what was missing already when it was made is not seen",
  "no image versions were recorded: which version of the application it is of",
];
