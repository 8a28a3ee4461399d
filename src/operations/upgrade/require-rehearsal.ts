import { describeError, RefusedError } from "../../core/errors.ts";
import { quoted } from "../../core/shell.ts";
import type { Options } from "../../options/parse.ts";
import {
  listRehearsals,
  type RehearsalRecord,
  writeRehearsal,
} from "../../repository/rehearsals.ts";
import type { Downtime } from "./downtime.ts";
import type { UpgradePlan } from "./journal.ts";
import { type Intended, rehearsalOf } from "./matching-rehearsal.ts";
import type { UpgradeSession } from "./session.ts";
import { timelineOf } from "./timeline.ts";
import type { NewImages } from "./upgrade-images.ts";

/**
 * Looks for a rehearsal of exactly this upgrade.
 *
 * @returns the newest such record that passed; undefined if there is none and none is required.
 * @throws RefusedError (class `not-rehearsed`) with the command to run, if `require-rehearsal` asks for one.
 */
export async function requireRehearsal(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<RehearsalRecord | undefined> {
  const { repository, options, dependencies } = session;
  const intended = intentOf(plan, images, options);
  const now = dependencies.clock.now();
  const records = await listRehearsals(repository);
  const { record, missing } = rehearsalOf(records, intended, now, options.requireRehearsalMs);
  if (record !== undefined || options.requireRehearsalMs === undefined) return record;
  const wanted = Object.keys(images).map((name) => `${name}=${plan.services[name]?.to}`);
  const command = `sophon-keeper upgrade-test --target rehearsal --repository ${quoted(repository.path)} --images ${quoted(wanted.join(","))} --backup fresh`;
  throw new RefusedError(`this upgrade was not rehearsed: ${missing}`, {
    class: "not-rehearsed",
    hint: `Run: ${command}`,
  });
}

function intentOf(plan: UpgradePlan, images: NewImages, options: Options): Intended {
  const services = Object.entries(images).map(([name, toId]) => [
    name,
    { fromId: plan.services[name]?.fromId ?? "", toId },
  ]);
  const { schema } = plan;
  return {
    services: Object.fromEntries(services),
    heads: schema === undefined ? undefined : headsOf(schema.histories),
    rules: options,
  };
}

/** The last migration of each history. */
export function headsOf(
  histories: Readonly<Record<string, readonly string[]>>,
): Record<string, string> {
  const heads = Object.entries(histories).map(([name, ids]) => [name, ids.at(-1) ?? ""]);
  return Object.fromEntries(heads.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)));
}

/** The plan with the gate's time from the rehearsal, unless the user gave one. */
export function withRehearsedTimeout(
  plan: UpgradePlan,
  record: RehearsalRecord | undefined,
  { requireRehearsalMs, given }: Pick<Options, "requireRehearsalMs" | "given">,
): UpgradePlan {
  const seconds = record?.prediction?.gateTimeoutSeconds;
  const isWanted = requireRehearsalMs !== undefined && !given.includes("health-timeout");
  if (seconds === undefined || !isWanted) return plan;
  return { ...plan, health: { ...plan.health, timeoutMs: seconds * 1000 } };
}

/** Writes the actual downtime beside the predicted one: later predictions learn from it. Never throws. */
export function noteActual(
  session: UpgradeSession,
  record: RehearsalRecord | undefined,
  downtime: Downtime | undefined,
): { readonly predicted?: { readonly downtimeSeconds: number } } {
  if (record?.prediction === undefined) return {};
  const { repository, id, dependencies } = session;
  const predicted = { downtimeSeconds: record.prediction.downtimeSeconds };
  if (downtime === undefined) return { predicted };
  try {
    const { phases } = timelineOf(session, downtime);
    const quiesce = phases.find(({ phase }) => phase === "quiesce")?.seconds;
    const actual = {
      ...{ operation: id, downtimeSeconds: downtime.seconds },
      ...(quiesce === undefined ? {} : { quiesceSeconds: quiesce }),
    };
    writeRehearsal(repository, { ...record, actual });
  } catch (error) {
    dependencies.reporter.info(`the rehearsal could not be updated: ${describeError(error)}`);
  }
  return { predicted };
}
