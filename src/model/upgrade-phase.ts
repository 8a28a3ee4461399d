/** The phases of a live upgrade in the journal, in order; the last two end it. */
export const upgradePhases = [
  "preflight",
  "pull",
  "backup",
  "pre-copy",
  "quiesce",
  "apply",
  "gate",
  "roll-back",
  "committed",
  "rolled-back",
] as const;

/** One of {@link upgradePhases}. */
export type UpgradePhase = (typeof upgradePhases)[number];

/** What recovery does with an interrupted upgrade. */
type Recovery = "clean-up" | "roll-back" | "finish";

/**
 * Decides by the last phase in the journal: until the stack is touched there is only something to
 * clean up; until the decision is written down the old version comes back; after it, the clean-up is finished.
 */
export function recoveryOf(phase: UpgradePhase | undefined): Recovery {
  switch (phase) {
    case undefined:
    case "preflight":
    case "pull":
    case "backup":
    case "pre-copy":
      return "clean-up";
    case "quiesce":
    case "apply":
    case "gate":
    case "roll-back":
      return "roll-back";
    case "committed":
    case "rolled-back":
      return "finish";
  }
}
