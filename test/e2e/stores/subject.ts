import type { Containers } from "../../../src/core/containers.ts";
import type { TaskRunner } from "../../../src/core/task.ts";
import type { DiscoveredStore, Mount } from "../../../src/model/stack.ts";
import type { Snapshot } from "../../lab/snapshot.ts";

/** What every store promises. */
export type StorePromise =
  | "backs up what is written to"
  | "leaves the service as it was"
  | "reads its backup as good"
  | "finds a cut"
  | "finds a flipped byte"
  | "finds foreign bytes"
  | "restores into an empty place"
  | "holds every acknowledged write"
  | "measures what it recorded"
  | "tells when something is missing"
  | "leaves nothing when cancelled";

/** A write that the store's own server, or the disk, has acknowledged. */
export interface Write {
  readonly key: string;
  /** When the acknowledgement came, in milliseconds since the epoch. */
  readonly at: number;
}

/** A store that serves and is written to, and what a test needs to judge copies of it without the store's own code. */
export interface Subject {
  readonly store: DiscoveredStore;
  /** The service of its components and the image of that service; for the manifest. */
  readonly images: Readonly<Record<string, string>>;
  readonly containers: Containers;
  readonly tasks: TaskRunner;
  /** What nobody writes to, read before the writers began. */
  readonly content: Snapshot;
  /** All writes that were acknowledged until now. */
  writes(): readonly Write[];
  /** How the service runs, and whatever somebody left on the host or in it. Equal before and after a good backup. */
  state(): Promise<unknown>;
  /** An empty place, with a server that does not run yet where the store has one. */
  emptyCopy(): Promise<EmptyCopy>;
  /** What differs between {@link content} and what is at another place, and the keys of the writes there. */
  read(
    at: DiscoveredStore,
  ): Promise<{ readonly differences: string[]; readonly keys: Set<string> }>;
}

/** Where a store is restored. Its disposal removes everything of it. */
export interface EmptyCopy extends AsyncDisposable {
  readonly mount: Mount;
  /** Starts the server, and gives the store as discovery would find it. */
  serve(): Promise<DiscoveredStore>;
}
