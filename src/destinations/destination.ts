import type { Reporter } from "../core/reporter.ts";

/** A complete backup on this host that is to be sent away. */
interface Shipment {
  readonly backupId: string;
  /** The backup's directory. */
  readonly directory: string;
  /** What to call it there; undefined: the backup's id. */
  readonly name: string | undefined;
  /** How long it is kept there; undefined: as the service is set. */
  readonly retentionDays: number | undefined;
}

/** What arrived. */
export interface Delivery {
  /** The name it has there. */
  readonly name: string;
  /** The id it has there, where the service gives one. */
  readonly id: string | undefined;
  readonly bytes: number;
  /** SHA-256 of what was sent, lower-case hex. */
  readonly sha256: string;
}

/** A place off this host that keeps backups. It takes encrypted files only, as one file. */
export interface Destination {
  /**
   * Looks, before anything is done, whether a delivery can work at all.
   *
   * @throws RefusedError saying what is missing.
   */
  refuseUnready(): void;

  /**
   * Sends every encrypted file of the backup, then asks the place what it holds and compares size and digest.
   * The backup on this host is only read.
   *
   * @throws UploadFailedError when anything in the directory beside the plain manifest is not encrypted, when
   * the delivery fails, and when what is there is not what was sent.
   */
  deliver(
    shipment: Shipment,
    context: { readonly reporter: Reporter; readonly signal: AbortSignal },
  ): Promise<Delivery>;

  /**
   * Brings a delivery back as the one file that was sent.
   *
   * @param name - what it is called there; undefined: the newest of this run
   * @param into - an existing directory
   * @returns the path of the file.
   * @throws RefusedError when there is none of that name.
   */
  fetch(
    name: string | undefined,
    into: string,
    context: { readonly reporter: Reporter; readonly signal: AbortSignal },
  ): Promise<string>;
}
