import { createHash } from "node:crypto";
import { describeError, RefusedError } from "../../core/errors.ts";
import { waitFor } from "../../core/wait.ts";
import type { QdrantStore } from "../../model/stack.ts";
import { sourceMounts, sourceOf } from "../reader.ts";
import { backupFailed } from "../sink.ts";
import type { BackupContext, Store, StoreContext } from "../store.ts";
import type { QdrantParams } from "./client.ts";
import {
  aliasesOfQdrant,
  refusalOfQdrant,
  refuseAliases,
  refuseOtherVersion,
  versionOfQdrant,
} from "./questions.ts";
import { restoreCollections, restoreQdrant } from "./restore-tasks.ts";
import {
  backupQdrant,
  type EarlierBackup,
  forgetSnapshots,
  listSnapshots,
  measureQdrant,
} from "./tasks.ts";

/** How long to wait for a crashed server to come back, so that its snapshot can be removed. */
const comeBackMs = 60_000;

/** Qdrant: one snapshot for each collection, compared with the checksum that the server reports. */
export const qdrantStore: Store<QdrantStore> = {
  kind: "qdrant",
  backupOrder: 20,
  hasServer: true,
  checksWithImage: false,

  async requireAccess(store, { tasks, signal }) {
    // The key that the server got from the same place is right.
    if (store.apiKey !== undefined) return;
    const asked = tasks.run(refusalOfQdrant, paramsOf(store), placeOf(store), signal);
    const status = await asked.catch(() => {
      // A server that does not answer yet is waited for by the backup.
      signal.throwIfAborted();
      return null;
    });
    if (status === null) return;
    throw new RefusedError(
      `service ${store.service}: its Qdrant server does not let this tool in (HTTP ${status})`,
      {
        class: "store-access",
        hint: `Set QDRANT__SERVICE__API_KEY (or QDRANT__SERVICE__API_KEY_FILE) in the environment of ${store.service} to the key of its configuration, or leave it out with exclude: ${store.service}.`,
      },
    );
  },

  /** Starts the helper container that stays for the copy. */
  async prepare(store, context) {
    const { tasks, signal } = context;
    await tasks.run(versionOfQdrant, paramsOf(store), placeOfBackup(store, context), signal);
  },

  async backup(store, context) {
    const { tasks, sink, signal } = context;
    const params = paramsOf(store);
    const place = placeOfBackup(store, context);
    const earlier = earlierBackups(store, context);
    const { known, removed } = await tasks.run(
      listSnapshots,
      { ...params, earlier },
      place,
      signal,
    );
    if (removed.length > 0) {
      context.reporter.info(`removed what an earlier backup left: ${removed.join(", ")}`);
    }
    await context.journal("qdrant-snapshots", { service: store.service, known });
    try {
      return await tasks.run(backupQdrant, { ...params, sink }, place, signal);
    } catch (cause) {
      // The snapshot remains if the task was killed or the server died.
      context.undo.add(`remove the snapshots on ${store.service}`, () =>
        forgetWhenItAnswers(store, known, context),
      );
      throw signal.aborted ? cause : backupFailed(store.service, cause);
    }
  },

  async check(component, context) {
    const hash = createHash("sha256");
    const chunks: Buffer[] = [];
    const isSnapshot = component.details.collection !== undefined;
    for await (const chunk of await context.open(component)) {
      hash.update(chunk as Buffer);
      if (!isSnapshot) chunks.push(chunk as Buffer);
    }
    const base = { name: "snapshot", component: component.name } as const;
    if (isSnapshot) {
      const same = hash.digest("hex") === component.details.checksum;
      const detail = same
        ? "matches the server's checksum"
        : "differs from the server's checksum (SHA-256)";
      return [{ ...base, status: same ? "pass" : "fail", detail }];
    }
    try {
      const settings = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { aliases: unknown[] };
      const same = settings.aliases.length === component.counts.aliases;
      return [
        { ...base, status: same ? "pass" : "fail", detail: `${settings.aliases.length} aliases` },
      ];
    } catch (error) {
      return [{ ...base, status: "fail", detail: describeError(error) }];
    }
  },

  async requireFit(store, components, context) {
    const { tasks, signal } = context;
    const version = await tasks.run(versionOfQdrant, paramsOf(store), placeOf(store), signal);
    for (const { details } of components) {
      if (typeof details.version === "string") refuseOtherVersion(details.version, version);
    }
  },

  async restore(store, components, context) {
    await context.tasks.run(
      restoreQdrant,
      { ...paramsOf(store), source: sourceOf(context), components },
      placeOf(store, sourceMounts(context, components)),
      context.signal,
    );
  },

  async restorePart(store, components, context) {
    const settings = context.manifest.components.find(
      ({ service, store: kind, details }) =>
        kind === "qdrant" && service === store.service && details.collection === undefined,
    );
    const read = settings === undefined ? components : [...components, settings];
    await context.tasks.run(
      restoreCollections,
      { ...paramsOf(store), source: sourceOf(context), components, settings },
      placeOf(store, sourceMounts(context, read)),
      context.signal,
    );
  },

  async requirePartFit(store, components, { tasks, signal }) {
    const aliases = await tasks.run(aliasesOfQdrant, paramsOf(store), placeOf(store), signal);
    const wanted = components.map(({ details }) => ({ collection: String(details.collection) }));
    refuseAliases(wanted, aliases);
  },

  measure: (store, context) =>
    context.tasks.run(measureQdrant, paramsOf(store), placeOf(store), context.signal),
};

/** Deletes the snapshots that a failed or killed backup left on the server, as recorded in its journal. */
export function forgetQdrantSnapshots(
  store: QdrantStore,
  known: Readonly<Record<string, readonly string[]>>,
  context: Pick<StoreContext, "tasks">,
): Promise<string[]> {
  const params = { ...paramsOf(store), known };
  // Without the signal of the run: the cleanup must also run after a cancellation.
  return context.tasks.run(forgetSnapshots, params, placeOf(store));
}

/**
 * Like {@link forgetQdrantSnapshots}, for a server that may be restarting after a crash. A server that a user has
 * stopped or removed is not touched.
 */
async function forgetWhenItAnswers(
  store: QdrantStore,
  known: Readonly<Record<string, readonly string[]>>,
  context: StoreContext,
): Promise<void> {
  let failure: unknown;
  const { clock } = context;
  const forgotten = await waitFor(
    async () => {
      const state = (await context.containers.inspect(store.containerId))?.state;
      if (state !== "running" && state !== "restarting") return "not running" as const;
      try {
        await forgetQdrantSnapshots(store, known, context);
        return "forgotten" as const;
      } catch (error) {
        failure = error;
        return undefined;
      }
    },
    { clock, timeoutMs: comeBackMs, everyMs: 1000 },
  );
  if (forgotten === undefined) throw failure;
  if (forgotten === "not running") {
    context.reporter.warning(
      `${store.service} is not running: its snapshots directory may still contain a snapshot of the failed backup`,
    );
  }
}

/** The backups of this server that were undone. The server finishes a snapshot after its client is gone. */
function earlierBackups({ service }: QdrantStore, { undone }: BackupContext): EarlierBackup[] {
  return (undone?.("qdrant-snapshots") ?? []).flatMap(({ data, from, to }) => {
    const told = data as { service?: string; known?: Record<string, readonly string[]> };
    return told.service === service && told.known !== undefined
      ? [{ known: told.known, from, to }]
      : [];
  });
}

/** What a task needs to reach a server. */
export function paramsOf(store: QdrantStore): QdrantParams {
  const { port, tls, apiKey } = store;
  const { name, service, mount } = store;
  return { endpoint: { port, tls, apiKey }, name, service, mountTarget: mount.target };
}

function placeOfBackup(store: QdrantStore, { sink }: BackupContext) {
  return placeOf(store, [{ path: sink.directory, readOnly: false }]);
}

/** Where a task on a server runs: in the server's network namespace. */
export function placeOf(store: QdrantStore, mounts: { path: string; readOnly: boolean }[] = []) {
  return { mounts, networkOf: store.containerId };
}
