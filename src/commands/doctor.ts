import type { Result } from "../model/result.ts";
import { examine } from "../operations/doctor/examine.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import type { Options } from "../options/parse.ts";

/**
 * Answers what a support thread would ask: is this host fit, is the stack well, is there a backup that can be trusted.
 * Changes nothing.
 *
 * `clean`: nothing has to be mended. `failed`: something has. `refused`: there is no stack that could be backed up.
 */
export async function doctor(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock, reporter } = dependencies;
  const begun = clock.monotonicMs();
  const { findings, refusal } = await reporter.group("Examine", () =>
    examine(options, dependencies),
  );
  const told = {
    seconds: (clock.monotonicMs() - begun) / 1000,
    checks: findings
      .filter(({ status }) => status !== "warn")
      .map(({ name, status, detail }) => ({
        ...{ name, detail },
        status: status === "fail" ? ("fail" as const) : ("pass" as const),
      })),
    warnings: findings
      .filter(({ status }) => status === "warn")
      .map(({ name, detail }) => `${name}: ${detail}`),
  };
  if (refusal !== undefined) {
    const { class: kind, message, hint } = refusal;
    const reason = { class: kind, message, ...(hint === undefined ? {} : { hint }) };
    return { result: "refused", ...told, reason };
  }
  const wrong = findings.filter(({ status }) => status === "fail");
  if (wrong.length === 0) return { result: "clean", ...told };
  const message = wrong.map(({ name, detail }) => `${name}: ${detail}`).join("; ");
  return { result: "failed", ...told, reason: { class: "unfit", message } };
}
