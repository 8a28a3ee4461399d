import { migrationTimes } from "../../log-scan/migration-times.ts";
import type { Clone } from "../clone/clone.ts";

/** How many seconds each migration took, by its name, as the logs of a clone's containers tell. */
export async function migrationSeconds(
  clone: Pick<Clone, "containers" | "stampedLog">,
): Promise<Readonly<Record<string, number>>> {
  const texts = (await clone.containers()).map(({ id }) => clone.stampedLog(id));
  return Object.assign({}, ...(await Promise.all(texts)).map(migrationTimes));
}
