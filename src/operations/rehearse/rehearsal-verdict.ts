import type { Check, Reason, ResultName } from "../../model/result.ts";

/** The outcome of a rehearsal. */
interface Outcome {
  readonly result: Extract<ResultName, "passed" | "failed" | "damaged" | "unverifiable">;
  readonly reason?: Reason;
}

/** What the phases found; one that was not reached is absent. */
export interface Findings {
  /** The checks of the restored data. */
  readonly restored: readonly Check[];
  /** Whether the old images were healthy on it. */
  readonly control?: { readonly passed: boolean; readonly reason?: Reason };
  readonly upgrade?: { readonly passed: boolean; readonly reason?: Reason };
  /** The checks after the upgrade: the second start. */
  readonly compared?: readonly Check[];
  /** The checks of the rollback: images, data, gate. */
  readonly rolledBack?: readonly Check[];
}

/**
 * The verdict of a rehearsal. What could not be checked never counts as good, and a loss of data that a migration
 * intends does not fail.
 */
export function verdictOfRehearsal(findings: Findings): Outcome {
  const { restored, control, upgrade, compared = [], rolledBack } = findings;
  const damaged = restored.find(({ status }) => status === "fail");
  if (damaged !== undefined) {
    return { result: "damaged", reason: reasonOf("damaged", damaged, "make a new backup") };
  }
  const unknown = restored.find(({ status }) => status === "unverifiable");
  if (unknown !== undefined || restored.length === 0) {
    const check = unknown ?? {
      name: "restore",
      status: "unverifiable",
      detail: "nothing restored",
    };
    return { result: "unverifiable", reason: reasonOf("unverifiable", check) };
  }
  if (control?.passed !== true) return { result: "unverifiable", reason: controlReason(control) };
  if (upgrade?.passed !== true) {
    const none = { class: "gate", message: "the new version was not judged" };
    return { result: "failed", reason: upgrade?.reason ?? none };
  }
  const bad = compared.find(({ status }) => status !== "pass");
  if (bad !== undefined) return { result: "failed", reason: reasonOf("second-start", bad) };
  const back = (rolledBack ?? []).find(({ status }) => status !== "pass");
  if (rolledBack === undefined || back !== undefined) {
    const none = { name: "roll back", status: "fail", detail: "it was not tried" } as const;
    return { result: "failed", reason: reasonOf("roll-back", back ?? none) };
  }
  return { result: "passed" };
}

function controlReason(control: Findings["control"]): Reason {
  const { message = "it was not started", evidence } = control?.reason ?? {};
  return {
    class: "control",
    message: `the old version is not healthy on the restored data in isolation, so nothing can be said of the new one: ${message}`,
    ...(evidence === undefined ? {} : { evidence }),
    hint: "If the stack needs the network to become healthy, set clone-health: off: log, migrations and schema decide then.",
  };
}

function reasonOf(name: string, check: Check, hint?: string): Reason {
  const of = check.component === undefined ? "" : `${check.component}: `;
  const message = `${of}${check.name}: ${check.detail}`;
  return { class: name, message, ...(hint === undefined ? {} : { hint }) };
}
