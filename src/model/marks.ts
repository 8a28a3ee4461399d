import { z } from "zod";

/** The levels of verification; each includes the previous one. */
export const verifyLevels = ["checksum", "contents", "restore"] as const;

/** One of {@link verifyLevels}. */
export type VerifyLevel = (typeof verifyLevels)[number];

const remoteMark = z
  .object({
    /** How the copy was proven to be what was read here; null while it is to be sent. */
    proof: z.enum(["sha256", "etag", "read"]).nullable(),
    /** When it was proven, or was to be sent, ISO 8601 UTC. */
    at: z.iso.datetime(),
  })
  .strict();

/** What is known of a copy off this host. */
type RemoteMark = z.infer<typeof remoteMark>;

const marks = z
  .object({
    /** SHA-256 of the backup's `manifest.json`: a mark is only valid for this manifest. */
    manifestSha256: z.string(),
    /** The highest level that the newest verification reached; null if it found damage. */
    level: z.enum(verifyLevels).nullable(),
    /** The time of that verification, ISO 8601 UTC. */
    at: z.iso.datetime(),
    toolVersion: z.string(),
    /** When each level was last reached. */
    reached: z.partialRecord(z.enum(verifyLevels), z.iso.datetime()),
    /** Why the last verification failed. */
    failure: z.string().optional(),
    /** The backups without which this one cannot be read, of one made with `incremental`: it may be here no longer. */
    needs: z.array(z.string()).optional(),
    /** The copies off this host, by the name of the destination. */
    remotes: z.record(z.string(), remoteMark).optional(),
  })
  .strict();

/** The verification record of a backup, stored outside the backup, which never changes. */
export type Marks = z.infer<typeof marks>;

/** @throws Error if the text is not a verification record. */
export function parseMarks(text: string): Marks {
  return marks.parse(JSON.parse(text));
}

/** Whether `level` includes `wanted`. */
export function reaches(level: VerifyLevel | null, wanted: VerifyLevel): boolean {
  return level !== null && verifyLevels.indexOf(level) >= verifyLevels.indexOf(wanted);
}

/** The record after a verification that reached `level`: a higher level reached earlier stays. */
export function marked(
  before: Marks | undefined,
  manifestSha256: string,
  level: VerifyLevel,
  at: string,
  toolVersion: string,
): Marks {
  const same = before?.manifestSha256 === manifestSha256 ? before : undefined;
  const reached = { ...same?.reached };
  for (const lower of verifyLevels.slice(0, verifyLevels.indexOf(level) + 1)) reached[lower] = at;
  const highest = reaches(same?.level ?? null, level) ? (same?.level ?? level) : level;
  return { manifestSha256, level: highest, at, toolVersion, reached, ...kept(same) };
}

/** The record after a verification that found damage: every mark is revoked, the copies off this host are still there. */
export function revoked(
  before: Marks | undefined,
  manifestSha256: string,
  failure: string,
  at: string,
  toolVersion: string,
): Marks {
  return {
    manifestSha256,
    level: null,
    at,
    toolVersion,
    reached: {},
    failure,
    ...kept(before),
  };
}

/** The record after something is known of a copy off this host; `undefined`: that copy is gone. */
export function withRemote(before: Marks, name: string, mark: RemoteMark | undefined): Marks {
  const { [name]: _gone, ...others } = before.remotes ?? {};
  return { ...before, remotes: mark === undefined ? others : { ...others, [name]: mark } };
}

/** The destinations that hold a copy which was proven there. */
export function provenRemotes(marks: Marks | undefined): string[] {
  const all = Object.entries(marks?.remotes ?? {});
  return all.filter(([, { proof }]) => proof !== null).map(([name]) => name);
}

/** What a verification says nothing about. */
function kept(before: Marks | undefined): Pick<Marks, "remotes" | "needs"> {
  const { remotes, needs } = before ?? {};
  return {
    ...(needs === undefined ? {} : { needs }),
    ...(remotes === undefined ? {} : { remotes }),
  };
}
