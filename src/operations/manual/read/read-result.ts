import type { Containers } from "../../../core/containers.ts";
import type { Check } from "../../../model/result.ts";
import type { Counts } from "../../../stores/store.ts";
import type { HandMadeFile } from "../find-files.ts";

/** The result of reading a file. The counts come from the file itself, because nothing was recorded at its creation. */
export interface Examined {
  readonly file: HandMadeFile;
  readonly checks: readonly Check[];
  /** What could not be determined, one line each. */
  readonly unknown: readonly string[];
  readonly counts: Counts;
  /** The rows of a dump, by schema and table. */
  readonly tables?: readonly (readonly [string, string, number])[];
  /** The facts in the file about its PostgreSQL server. */
  readonly server?: { readonly version: string; readonly major: number } | undefined;
  /** The database of a dump in the custom format. */
  readonly database?: string;
  /** The SQLite databases in the archive, by path. */
  readonly databases?: readonly string[];
  /** The collection of a Qdrant snapshot, and its SHA-256. */
  readonly snapshot?: { readonly collection: string; readonly sha256: string };
  /** How Redis finds its data in the archive. */
  readonly redis?: RedisContent;
}

/** The files in the archive of a Redis volume that a server would load. */
export interface RedisContent {
  /** Path of the manifest of the append-only file, or of the single file of old versions. */
  readonly appendOnly: string | undefined;
  /** Path of the dump. */
  readonly rdb: string | undefined;
}

/** The input for reading a file. */
export interface ExamineContext {
  readonly signal: AbortSignal;
  /** The key file that an archive of the data directory must contain; undefined if it needs none. */
  readonly vaultKey: string | undefined;
  readonly containers: Pick<Containers, "runOnce">;
  /** The image of the stack's server of a kind. @throws UnverifiableError if there is none. */
  readonly imageOf: (kind: "postgres" | "redis") => Promise<string>;
}

/** Only a record from the creation of a file could tell these. */
export const unknownOfAll: readonly string[] = [
  "no checksum was recorded when it was made: a file that was replaced by another good one is not seen",
  "no counts were recorded: what was missing already when it was made is not seen",
  "no image versions were recorded: which version of the application it is of",
];
