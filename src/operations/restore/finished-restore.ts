import { realPath } from "../../core/real-path.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ContainerState, Mount } from "../../model/stack.ts";
import { listOperations, readJournal } from "../session/journal.ts";
import { type JournalledReplacement, restoreJournal, type StoppedContainer } from "./journal.ts";

/** A restore that succeeded, or the undo of one, as its journal describes it. */
export interface FinishedRestore {
  readonly id: string;
  /** When it ended, ISO 8601 UTC. */
  readonly at: string | undefined;
  /** The places whose previous content it set aside. */
  readonly places: readonly JournalledReplacement[];
  /** The containers before it. */
  readonly before: readonly StoppedContainer[];
  /** The containers that it left; undefined if it was made by an earlier version that did not record them. */
  readonly left: readonly { readonly name: string; readonly imageId: string }[] | undefined;
}

/**
 * The newest finished restore of a project; undefined if there is none.
 *
 * @throws UnverifiableError if its journal cannot be read.
 */
export function lastRestore(operations: string, project: string): FinishedRestore | undefined {
  const done = listOperations(operations).filter(
    ({ operation, outcome }) => operation === restoreJournal.operation && outcome === "done",
  );
  for (const { id, closedAt } of done.toReversed()) {
    const { about, entries } = readJournal(operations, id, restoreJournal);
    if (about.project !== project) continue;
    const places: JournalledReplacement[] = [];
    const discarded = new Set<string>();
    let before: readonly StoppedContainer[] = [];
    let left: FinishedRestore["left"];
    let isCreated = false;
    for (const { step, data } of entries) {
      if (step === "set-aside" || step === "exchange") places.push(data);
      if (step === "stop") before = data.containers;
      if (step === "create") isCreated = true;
      if (step !== "restored") continue;
      for (const { target, stamp } of data.discard) discarded.add(`${stamp} ${target}`);
      left = data.containers;
    }
    return {
      ...{ id, at: closedAt, before },
      places: places.filter(({ target, stamp }) => !discarded.has(`${stamp} ${target}`)),
      left: left ?? (isCreated ? undefined : before.filter(({ imageId }) => imageId !== "")),
    };
  }
  return undefined;
}

/** The services with the images that they had before a restore, as a manifest describes them. */
export function servicesBefore({
  before,
}: Pick<FinishedRestore, "before">): Record<string, Manifest["services"][string]> {
  const known = before.filter(({ imageId }) => imageId !== "");
  return Object.fromEntries(
    known.map(({ service, imageId, imageReference, ran }) => [
      service,
      {
        image: imageReference === "" ? imageId : imageReference,
        ...{ imageId, repoDigest: null, state: ran ? "running" : "exited" },
        replicas: known.filter((one) => one.service === service).length,
      },
    ]),
  );
}

/**
 * What somebody changed in a stack since a restore, so that its previous data no longer fits. Empty if nothing.
 *
 * @param services - the services in the current Compose files
 */
export function changesSince(
  { left = [], before, places }: FinishedRestore,
  containers: readonly Pick<ContainerState, "name" | "service" | "imageId" | "mounts">[],
  services: readonly string[],
): string[] {
  const changes: string[] = [];
  const now = new Map(containers.map((one) => [one.name, one]));
  for (const { name, imageId } of left) {
    const found = now.get(name);
    if (found === undefined) changes.push(`container ${name} no longer exists`);
    else if (found.imageId !== imageId) changes.push(`container ${name} runs another image`);
  }
  for (const { name, service, imageId } of before) {
    const found = now.get(name);
    const isOther = imageId !== "" && found !== undefined && found.imageId !== imageId;
    if (isOther && !services.includes(service)) {
      changes.push(`service ${service} is no longer in the compose files`);
    }
  }
  for (const place of places) {
    if (mountAt(place, containers) === undefined) {
      changes.push(`no container has ${place.target} mounted any more`);
    }
  }
  return changes;
}

/** The writable mount of a place that a restore replaced; undefined if no container has it any more. */
export function mountAt(
  { target, place }: JournalledReplacement,
  containers: readonly Pick<ContainerState, "mounts">[],
): Mount | undefined {
  const volumes = place.mounts.flatMap(({ volume }) => volume ?? []);
  return containers
    .flatMap(({ mounts }) => mounts)
    .find(
      ({ writable, source, volume }) =>
        writable &&
        (volume !== undefined && volumes.length > 0
          ? volumes.includes(volume)
          : realPath(source) === target),
    );
}
