import { exitCodeOf } from "../core/errors.ts";
import type { Result } from "../model/result.ts";

/** One output of the action. */
interface Output {
  readonly name: string;
  readonly about: string;
  readonly of: (result: Result) => unknown;
}

/** Every output, declared once. action.yml and README are derived from this table. An output that does not apply is empty. */
export const outputs: readonly Output[] = [
  {
    name: "result",
    about:
      "The result in one word: backed-up, refused, backup-failed, locked, cancelled, or another word from docs/cli.md.",
    of: (result) => result.result,
  },
  {
    name: "exit-code",
    about: "The exit code that the command line returns for this result.",
    of: (result) => exitCodeOf[result.result],
  },
  {
    name: "backup-id",
    about: "The id of the backup that was made, verified or restored.",
    of: (result) => result.backupId,
  },
  {
    name: "path",
    about: "The directory of that backup on the host.",
    of: (result) => result.path,
  },
  {
    name: "bytes",
    about: "Size of that backup as stored, in bytes.",
    of: (result) => result.components?.reduce((sum, component) => sum + component.bytes, 0),
  },
  {
    name: "seconds",
    about: "Wall time of the run, in seconds.",
    of: (result) => result.seconds,
  },
  {
    name: "downtime-seconds",
    about: "Downtime of an upgrade, measured from outside, in seconds.",
    of: (result) => result.downtimeSeconds,
  },
  {
    name: "artifact-name",
    about: "Name of the artifact with the backup, if upload is artifact.",
    of: (result) => result.artifact?.name,
  },
  {
    name: "artifact-id",
    about: "Id of that artifact.",
    of: (result) => result.artifact?.id,
  },
  {
    name: "reason",
    about: "Why the run failed, in one line; empty if it succeeded.",
    of: (result) => result.reason?.message,
  },
  {
    name: "reason-class",
    about: "The reason as one stable word, for scripts.",
    of: (result) => result.reason?.class,
  },
  {
    name: "json",
    about: "The whole result as one JSON object, as printed by the command line with --json.",
    of: (result) => JSON.stringify(result),
  },
];
