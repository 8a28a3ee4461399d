import { type KeeperError, RefusedError, UploadFailedError } from "../../core/errors.ts";
import type { Delivery, Destination } from "../../destinations/destination.ts";
import type { Options } from "../../options/parse.ts";
import type { Dependencies } from "../session/command.ts";

/**
 * The destination that `upload` names; undefined for `none`.
 *
 * @throws RefusedError, before any change, if the destination is not available.
 */
export function chooseDestination(
  { upload }: Options,
  { destinations }: Pick<Dependencies, "destinations">,
): Destination | undefined {
  if (upload === "none") return undefined;
  const destination = destinations[upload];
  if (destination === undefined) {
    const wrong = `upload is ${upload}, which works only in a step of the action`;
    throw new RefusedError(`${wrong}: leave upload out here`, { class: "no-artifacts" });
  }
  destination.refuseUnready();
  return destination;
}

/**
 * Uploads a complete backup.
 *
 * @throws UploadFailedError that also names the backup, which is complete on this host.
 */
export async function deliver(
  destination: Destination,
  backup: { readonly id: string; readonly path: string },
  options: Options,
  { reporter, signal }: Pick<Dependencies, "reporter" | "signal">,
): Promise<Delivery> {
  const shipment = {
    backupId: backup.id,
    directory: backup.path,
    name: options.artifactName,
    retentionDays: options.artifactRetentionDays,
  };
  try {
    return await reporter.group("Upload the backup", () =>
      destination.deliver(shipment, { reporter, signal }),
    );
  } catch (error) {
    if (!(error instanceof UploadFailedError)) throw error;
    throw withBackup(error, backup);
  }
}

function withBackup(
  error: KeeperError,
  backup: { readonly id: string; readonly path: string },
): UploadFailedError {
  return new UploadFailedError(error.message, {
    class: error.class,
    cause: error.cause,
    facts: { backupId: backup.id, path: backup.path },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
