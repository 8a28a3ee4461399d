import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./step.ts";

/** Names a file that is there as long as the stores are made, or tells why they could not be. */
const pendingVariable = "SOPHON_KEEPER_LAB_PENDING";

const storesMs = 540_000;

/** Lets the processes that are started from here on know when the stores are there. */
export async function noteStores(stores: Promise<void>): Promise<void> {
  const path = join(tmpdir(), `sophon-keeper-stores-pending-${process.pid}`);
  await writeFile(path, "");
  process.env[pendingVariable] = path;
  stores.then(
    () => rm(path, { force: true }),
    (error) => writeFile(path, String(error)),
  );
}

/** Waits until the stores are there; throws when they could not be made. */
export async function storesReady(): Promise<void> {
  const path = process.env[pendingVariable];
  if (path === undefined) return;
  await until("the stores are made", storesMs, async () => {
    const told = await readFile(path, "utf8").catch(() => undefined);
    if (told !== undefined && told !== "") throw new Error(`the stores: ${told}`);
    return told === undefined;
  });
}
