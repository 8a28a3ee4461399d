import type { Manifest } from "../../model/manifest.ts";
import type { Prediction } from "../../model/rehearsal.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { lessons } from "./keep-record.ts";
import { predict } from "./prediction.ts";
import type { Tried } from "./trial.ts";

/** Paths that the last pass of a copy reads in a second: two cores, warm cache. */
const pathsPerSecond = 20_000;
const leastQuiesceSeconds = 0.5;

/** Predicts the downtime of the live upgrade from what the clone showed and what earlier live upgrades took. */
export async function predictionOf(
  found: FoundBackup,
  { components }: Manifest,
  { rehearsal, swapSeconds = 0, answeringSeconds }: Tried,
): Promise<Prediction> {
  const { upgrade, control } = rehearsal;
  const paths = components.reduce((sum, { counts }) => sum + filesIn(counts), 0);
  const { healthySeconds = 0, secondStartSeconds = healthySeconds } = upgrade ?? {};
  const { factors, quiesceSeconds: last } = await lessons(found);
  return predict({
    quiesceSeconds: last ?? leastQuiesceSeconds + paths / pathsPerSecond,
    isMeasured: last !== undefined,
    // The downtime ends with the first good answer, and not with the next turn of a health check.
    startSeconds: Math.min(healthySeconds, answeringSeconds ?? healthySeconds),
    starts: [healthySeconds, secondStartSeconds, control?.healthySeconds ?? healthySeconds],
    ...{ swapSeconds, factors, processorsFree: rehearsal.processorsFree },
  });
}

function filesIn({ files }: Manifest["components"][number]["counts"]): number {
  return typeof files === "object" ? files.max : (files ?? 0);
}
