import { type BadVersion, badVersions } from "../../lab/versions.ts";

// A full disk needs a disk of its own: see upgrade-disk.test.ts.
export const failing: readonly BadVersion[] = (Object.keys(badVersions) as BadVersion[]).filter(
  (name) => name !== "fills-disk",
);

/** These end by the clock alone; for the others it is no part of it. */
export const byClock: readonly BadVersion[] = ["unhealthy", "migration-lock", "corrupts-vault"];

/**
 * The class by which the gate tells of each failure, in a live upgrade and in a rehearsal alike. A version that ends while
 * it is looked at may be told by its end or by its log.
 */
export const failureClasses: Readonly<Record<BadVersion, RegExp>> = {
  unhealthy: /^unhealthy$/,
  "migration-failed-but-healthy": /^(migration|schema-conflict)$/,
  "migration-failed": /^(migration|schema-conflict|crash)$/,
  "crash-loop": /^crash(-loop)?$/,
  "exit-zero": /^crash(-loop)?$/,
  // On a busy machine its good seconds are over before the others are good, too.
  "healthy-briefly": /^(not-lasting|unhealthy)$/,
  "migration-lock": /^(hung|lock-timeout)$/,
  "out-of-memory": /^(out-of-memory|crash(-loop)?)$/,
  "fills-disk": /^disk-full$/,
  // It does so a second after it is healthy: a fast gate has seen that second.
  "corrupts-vault": /^(corruption|unhealthy|config|not-lasting)$/,
  "missing-env": /^(config|crash)$/,
};
