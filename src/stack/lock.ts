import type { ContainerInspectInfo } from "dockerode";
import type { Clock } from "../core/clock.ts";
import { dockerPatience } from "../core/docker-patience.ts";
import { LockedError } from "../core/errors.ts";
import { spawnStream } from "../core/exec.ts";
import { judgeOwner } from "../core/identity.ts";
import { waitFor } from "../core/wait.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import type { Engine } from "./engine.ts";
import { orMissing, statusOf } from "./inspect.ts";
import { describeSelf, type LockOwner, parseOwner } from "./owner.ts";

const ownerLabel = "sophon-keeper.lock-owner";
const lockImage = "sophon-keeper/lock:1";
const emptyTarBytes = 10_240;

/** A request for the lock of a stack. */
interface LockRequest {
  readonly project: string;
  readonly operationId: string;
  /** `backup`, `restore`, `upgrade-test`, ... */
  readonly operation: string;
  readonly repository: string;
  readonly jobUrl?: string | undefined;
  /** How long to wait for another owner. By default there is no wait. */
  readonly timeoutMs?: number;
  /** Takes the lock from an owner whose state is unknown, never from an owner that is alive. */
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The lock of a stack, held until it is released. */
interface StackLock {
  /** Operations whose owners died while they held the lock. The new owner must recover them. */
  readonly recoveredFrom: readonly LockOwner[];
  /** Marks such an operation as recovered, or as having nothing to recover. Later runs do not see it again. */
  forget(dead: LockOwner): Promise<void>;
  /** @throws LockedError when the lock was lost meanwhile, for example to a prune of stopped containers. */
  assertHeld(): Promise<void>;
  /** Releases the lock. Safe to call twice; never removes the lock of another owner. */
  release(): Promise<void>;
}

/**
 * Takes the lock of a stack. There is one lock for each project on this host, whatever the user, the repository or the
 * pid namespace. The lock is a container with a fixed name that is never started; the engine allows a name only once.
 *
 * The lock of a dead owner is renamed, not removed. The operation stays known until it is recovered, even if the new
 * owner dies too.
 *
 * @throws LockedError that names the holder.
 */
export async function acquireLock(
  engine: Engine,
  request: LockRequest,
  clock: Clock,
): Promise<StackLock> {
  await ensureLockImage(engine);
  let locked: LockedError | undefined;
  const attempt = async () => {
    try {
      return await take(engine, request, clock);
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      locked = error;
      return undefined;
    }
  };
  const timeoutMs = request.timeoutMs ?? 0;
  const options = { clock, timeoutMs, everyMs: 1_000, signal: request.signal };
  const lock = await waitFor(attempt, options);
  if (lock !== undefined) return lock;
  throw locked ?? new Error("the lock was not tried");
}

async function take(engine: Engine, request: LockRequest, clock: Clock): Promise<StackLock> {
  const { project, operationId, operation, repository } = request;
  const startedAt = clock.now().toISOString();
  const jobUrl = request.jobUrl ?? null;
  const self = await describeSelf({ operationId, operation, repository, jobUrl, startedAt });
  const name = lockName(project);
  // In each round the name is free, or the lock of another owner is examined.
  for (let round = 0; round < 10; round += 1) {
    const id = await create(engine, name, project, self);
    if (id !== undefined) return await heldLock(engine, id, project, self);
    const held = await orMissing(engine.docker.getContainer(name).inspect());
    if (held === undefined) continue;
    const owner = ownerOf(held);
    const state = await judgeOwner(owner, self);
    if (state === "alive" || (state === "unknown" && request.force !== true))
      throw lockedBy(project, owner, state);
    await setAside(engine, held, name, owner);
  }
  throw new LockedError(`the lock of ${project} keeps changing its owner`);
}

/** @returns the container's id, or undefined if the name is taken. */
async function create(
  engine: Engine,
  name: string,
  project: string,
  self: LockOwner,
): Promise<string | undefined> {
  const Labels = {
    [keeperLabels.kind]: "lock",
    [keeperLabels.project]: project,
    [keeperLabels.operation]: self.operationId,
    [ownerLabel]: JSON.stringify(self),
  };
  const config = { name, Image: lockImage, Cmd: ["lock"], NetworkDisabled: true, Labels };
  try {
    return (await engine.docker.createContainer(config)).id;
  } catch (error) {
    if (statusOf(error) === 409) return undefined;
    throw error;
  }
}

/** Renames the lock by its container id, so that a lock of a new owner is not touched. */
async function setAside(
  engine: Engine,
  held: ContainerInspectInfo,
  name: string,
  owner: LockOwner,
): Promise<void> {
  try {
    const aside = `${name}.dead-${owner.operationId.replace(/[^a-zA-Z0-9_.-]/g, "-")}`;
    await engine.docker.getContainer(held.Id).rename({ name: aside });
  } catch (error) {
    // The lock was removed, or another run renamed it at the same time.
    const status = statusOf(error);
    if (status === 404) return;
    const now = await orMissing(engine.docker.getContainer(held.Id).inspect());
    if (now?.Name === `/${name}`) throw error;
  }
}

async function heldLock(
  engine: Engine,
  id: string,
  project: string,
  self: LockOwner,
): Promise<StackLock> {
  const { docker } = engine;
  const filters = {
    label: [`${keeperLabels.kind}=lock`, `${keeperLabels.project}=${project}`],
  };
  const all = await docker.listContainers({ all: true, filters });
  const dead = all.filter(({ Id }) => Id !== id);
  const owners = dead.flatMap(({ Id, Labels }) => {
    const text = Labels[ownerLabel];
    const owner = text === undefined ? undefined : readOwner(text);
    // A container that only wears the label tells of no operation.
    return owner === undefined ? [] : [{ Id, owner }];
  });
  return {
    recoveredFrom: owners.map(({ owner }) => owner),
    forget: async ({ operationId }) => {
      for (const { Id, owner } of owners)
        if (owner.operationId === operationId) await remove(engine, Id);
    },
    assertHeld: async () => {
      const held = await orMissing(docker.getContainer(lockName(project)).inspect());
      if (held?.Id === id) return;
      if (held !== undefined) throw lockedBy(project, ownerOf(held), "alive");
      throw new LockedError(`the lock of ${project} (${self.operationId}) was removed`, {
        class: "lock-lost",
        hint: `Another program removes stopped containers during the operation (\`docker container prune\`): exclude those with the label ${keeperLabels.kind}.`,
      });
    },
    release: () => remove(engine, id),
  };
}

async function remove(engine: Engine, id: string): Promise<void> {
  try {
    await engine.docker.getContainer(id).remove({ force: true });
  } catch (error) {
    if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
  }
}

function lockedBy(project: string, owner: LockOwner, state: "alive" | "unknown"): LockedError {
  const who = `${owner.operation} ${owner.operationId} of ${owner.user} on ${owner.host} (pid ${owner.pid}, since ${owner.startedAt})`;
  const job = owner.jobUrl === null ? "" : `, ${owner.jobUrl}`;
  const hint =
    state === "alive"
      ? "Wait for it to end, or give lock-timeout."
      : `Its process is in another container and cannot be seen from here. If it is certainly gone: docker rm ${lockName(project)}, then \`sophon-keeper recover\`.`;
  return new LockedError(`${project} is locked by ${who}${job}`, { hint });
}

function lockName(project: string): string {
  return `sophon-keeper-lock-${project}`;
}

function ownerOf(container: ContainerInspectInfo): LockOwner {
  const owner = readOwner(container.Config.Labels[ownerLabel] ?? "null");
  if (owner !== undefined) return owner;
  const name = container.Name.replace(/^\//, "");
  throw new LockedError(
    `the container ${name} has the name of the lock, but no record of an owner`,
    {
      class: "foreign-lock",
      hint: `Another program made it. If it is not needed: docker rm ${name}`,
    },
  );
}

function readOwner(label: string): LockOwner | undefined {
  try {
    return parseOwner(label);
  } catch {
    return undefined;
  }
}

/** Imports an empty image: a container needs an image even if it never runs. */
async function ensureLockImage(engine: Engine): Promise<void> {
  if ((await orMissing(engine.docker.getImage(lockImage).inspect())) !== undefined) return;
  const label = ["--change", `LABEL ${keeperLabels.kind}=lock-image`];
  const options = {
    ...{ addEnv: engine.environment, pipeInput: true },
    timeoutMs: dockerPatience.answerMs,
  };
  const docker = spawnStream("docker", ["import", ...label, "-", lockImage], options);
  docker.stdout.resume();
  docker.stdin.end(Buffer.alloc(emptyTarBytes));
  await docker.done;
}

/** The operation whose lock has these labels; undefined if they do not tell it. */
export function lockedOperation(
  labels: Readonly<Record<string, string | undefined>>,
): string | undefined {
  return parseOwner(labels[ownerLabel] ?? "null")?.operation;
}
