/**
 * How long the docker command may take, in milliseconds. An engine that hangs, or a program for credentials that asks somebody who
 * is not there, must not hold a lock for ever. What changes the stack (`up`, `start`, `stop`) has the limits of its services.
 */
export const dockerPatience = {
  /** For what only reads: `inspect`, `compose config`. A busy host needs seconds. */
  answerMs: 120_000,
  /** For an image of this host's programs, about 150 MiB. */
  importMs: 600_000,
  /** For an image of any size over a slow line. */
  pullMs: 6 * 3_600_000,
} as const;
