import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Keys } from "./chosen-keys.ts";
import { keyPaths } from "./key-files.ts";
import type { Found } from "./look-around.ts";
import type { Step } from "./steps.ts";

/** What is left to a person, in the order in which it matters. */
export function nextSteps(
  found: Found,
  steps: ReadonlySet<Step>,
  { recipients, signer }: Keys,
): string[] {
  const { targets, keysDirectory } = found;
  const paths = keyPaths(keysDirectory);
  const isHere = (path: string) => existsSync(path);
  const lines: (readonly [isNeeded: boolean, line: string])[] = [
    [
      isHere(paths.backup) || isHere(paths.recovery),
      `Move ${paths.backup} and ${paths.recovery} off this host, to two places. Without one of them no backup can be opened elsewhere.`,
    ],
    [
      recipients.length === 0,
      "Without keys of init: write your age recipients into /etc/sophon-keeper/recipients.txt and the private key for test restores into /etc/sophon-keeper/verify.key; for GitHub, into the variable SOPHON_BACKUP_RECIPIENTS and the secret SOPHON_VERIFY_IDENTITY. Then make the first backup: `sophon-keeper backup --recipients @FILE`.",
    ],
    [
      signer !== undefined,
      `To restore on another host, tell that one whose signature to trust: trusted-signers "${signer}".`,
    ],
    [
      steps.has("workflows"),
      `With GitHub: commit ${join(targets.workflows, ".github/workflows")}${recipients.length === 0 ? "" : `, and put the line AGE-SECRET-KEY-1... of ${paths.verify} into the secret SOPHON_VERIFY_IDENTITY`}.`,
    ],
    [
      steps.has("systemd"),
      `With systemd: copy ${join(targets.systemd, "systemd")}/* to /etc/systemd/system, then systemctl daemon-reload && systemctl enable --now sophon-keeper-backup.timer sophon-keeper-recover.service.`,
    ],
    [
      steps.has("cron"),
      `With cron: copy ${join(targets.cron, "cron.d/sophon-keeper")} to /etc/cron.d.`,
    ],
  ];
  return lines.filter(([isNeeded]) => isNeeded).map(([, line]) => line);
}
