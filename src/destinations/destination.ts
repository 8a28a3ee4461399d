import type { Reporter } from "../core/reporter.ts";

/** A complete backup on this host that will be uploaded. */
interface Shipment {
  readonly backupId: string;
  /** The backup's directory. */
  readonly directory: string;
  /** The name at the destination; undefined: the backup id. */
  readonly name: string | undefined;
  /** How long the destination keeps it; undefined: the default of the service. */
  readonly retentionDays: number | undefined;
}

/** What the destination received. */
export interface Delivery {
  /** The name at the destination. */
  readonly name: string;
  /** The id at the destination, if the service returns one. */
  readonly id: string | undefined;
  readonly bytes: number;
  /** SHA-256 of what was sent, lower-case hex. */
  readonly sha256: string;
}

/** A destination outside this host that stores backups. It accepts only encrypted files, packed into one file. */
export interface Destination {
  /**
   * Checks, before anything is done, whether an upload is possible.
   *
   * @throws RefusedError saying what is missing.
   */
  refuseUnready(): void;

  /**
   * Sends every encrypted file of the backup, then compares size and digest with what the destination lists.
   * The backup on this host is only read.
   *
   * @throws UploadFailedError if a file other than the plain manifest is not encrypted, if the upload fails, or if the
   * destination received something else.
   */
  deliver(
    shipment: Shipment,
    context: { readonly reporter: Reporter; readonly signal: AbortSignal },
  ): Promise<Delivery>;

  /**
   * Downloads an upload as the one file that was sent.
   *
   * @param name - the name at the destination; undefined: the newest of this run
   * @param into - an existing directory
   * @returns the path of the file.
   * @throws RefusedError if there is none with that name.
   */
  fetch(
    name: string | undefined,
    into: string,
    context: { readonly reporter: Reporter; readonly signal: AbortSignal },
  ): Promise<string>;
}
