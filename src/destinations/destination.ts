import type { SignKey } from "../core/ssh-signature.ts";
import type { Proof, TransferContext } from "./object-store.ts";

/** A complete backup on this host that will be uploaded. */
export interface Shipment {
  readonly backupId: string;
  readonly project: string;
  /** The backup's directory. */
  readonly directory: string;
  /** SHA-256 of the files that the manifest names, lower-case hex, by file name. */
  readonly sha256: ReadonlyMap<string, string>;
  /** Signs the list of the files, where there is one; undefined: nobody does. */
  readonly signer: SignKey | undefined;
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
  /** SHA-256 of the one file that was sent, or of the `SHA256SUMS` of all files; lower-case hex. */
  readonly sha256: string;
  /** The weakest proof of a file; undefined if the service is not asked for one. */
  readonly proof?: Proof;
}

/** A destination outside this host that stores backups. It accepts only encrypted files. */
export interface Destination {
  /**
   * Checks, before anything is done, whether an upload is possible.
   *
   * @throws RefusedError saying what is missing.
   */
  refuseUnready(): void;

  /**
   * Sends every encrypted file of the backup, then compares what the destination holds with what was read here. The
   * backup on this host is only read. At the destination it is there as a whole or not at all.
   *
   * @throws UploadFailedError if a file other than the plain manifest is not encrypted, if the upload fails, or if the
   * destination received something else.
   */
  deliver(shipment: Shipment, context: TransferContext): Promise<Delivery>;
}

/** Which upload is wanted. */
export interface Wanted {
  /** The name at the destination; undefined: the newest. */
  readonly name: string | undefined;
  /** Whose backup; undefined: not known. */
  readonly project: string | undefined;
  /** Of another run of this GitHub repository: its id, or `latest` for the newest that has one. Undefined: of this run. */
  readonly run: string | undefined;
  /** A token that may read other runs. */
  readonly token: string | undefined;
}

/** A destination that stores a backup as one file: a `.tar` with only `.age` files. */
export interface FileDestination extends Destination {
  /**
   * Downloads an upload as the one file that was sent.
   *
   * @param into - an existing directory
   * @returns the path of the file.
   * @throws RefusedError if there is none, DamagedError if it is not what was sent.
   */
  fetch(
    wanted: Wanted,
    into: string,
    context: Pick<TransferContext, "reporter" | "signal">,
  ): Promise<string>;
}
