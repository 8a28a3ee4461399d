import { randomBytes } from "node:crypto";
import { access, constants } from "node:fs/promises";
import {
  CancelledError,
  describeError,
  exitCodes,
  KeeperError,
  RefusedError,
} from "../../core/errors.ts";
import { useWorkDirectory } from "../../core/temp.ts";
import { UndoStack } from "../../core/undo.ts";
import { backupId } from "../../model/backup-id.ts";
import { placeOf, type Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { Repository } from "../../repository/repository.ts";
import { requireOwnRepository } from "../../repository/require-own.ts";
import { engineAnswers } from "../../stack/engine.ts";
import type { Dependencies } from "./command.ts";
import { removeDeadClones } from "./dead-clones.ts";
import type { HostDependencies, Recoveries, RecoveryContext } from "./dependencies.ts";
import type { DeadOwner, HeldLock, Host, Workbench } from "./host.ts";
import { createJournal, type Journal, type JournalSpec } from "./journal.ts";
import { recoverUnfinished } from "./recovery.ts";
import { repositoryPath } from "./repository-path.ts";

/** A running operation that holds the stack's lock and writes its journal. */
export interface Session<Spec extends JournalSpec = JournalSpec> extends Locked {
  readonly stack: Stack;
  readonly options: Options;
  readonly dependencies: Dependencies;
  readonly host: Host;
  readonly journal: Journal<Spec>;
  readonly undo: UndoStack;
  /**
   * Leaves the journal open, even if every undo step succeeds: `recover` continues from there. Call it with the error
   * that is thrown next.
   */
  keepOpen(error: unknown): void;
}

/** The context of a run that holds the stack's lock, before the stack is discovered. */
interface Locked extends Workbench {
  readonly id: string;
  readonly project: string;
  readonly repository: Repository;
  /** The ids of earlier operations that were finished or undone first. */
  readonly recovered: readonly string[];
}

/**
 * Takes the stack's lock and recovers the unfinished operations of earlier runs. This happens before discovery, because
 * a half-finished operation may be the reason why discovery fails.
 */
export async function withLock<T>(
  operation: string,
  options: Options,
  dependencies: HostDependencies,
  work: (locked: Locked) => Promise<T>,
): Promise<T> {
  const { host, clock } = dependencies;
  const project = await host.project(options, dependencies);
  const repository = new Repository(repositoryPath(options, project));
  requireOwnRepository(repository.path);
  await repository.create();
  await useWorkDirectory(repository.clear);
  await repository.forgetIncoming(clock.now());
  const id = backupId(project, clock.now(), randomBytes(2).toString("hex"));
  const wish = {
    ...{ project, operation, operationId: id },
    repository: repository.path,
    timeoutMs: options.lockTimeoutMs,
  };
  const lock = await host.lock(wish, dependencies);
  try {
    const workbench = await host.workbench(id, dependencies);
    const discover = () => host.discover(options, dependencies);
    const given = { ...workbench, project, host, discover, dependencies };
    await removeDeadClones(dependencies);
    const recovered = await recoverAll(lock, repository, dependencies.recoveries, given);
    return await work({ ...workbench, id, project, repository, recovered });
  } finally {
    // A failed release must not hide an earlier error. The next run takes over the lock of an owner that has ended.
    await lock.release().catch((error: unknown) => {
      dependencies.reporter.warning(`the lock could not be released: ${describeError(error)}`);
    });
  }
}

/**
 * Runs an operation that may change the host: takes the lock (see {@link withLock}), discovers the stack, opens the
 * journal, and runs `work`. If `work` throws, its undo steps run in reverse order. A failed undo step is added to the
 * error and leaves the journal open for `recover`.
 */
export async function withSession<Spec extends JournalSpec, T>(
  spec: Spec,
  options: Options,
  dependencies: HostDependencies,
  work: (session: Session<Spec>) => Promise<T>,
): Promise<T> {
  const { host, clock } = dependencies;
  return await withLock(spec.operation, options, dependencies, async (locked) => {
    const { repository, id, project } = locked;
    const stack = await dependencies.reporter.group("Find the stack", async () => {
      const found = await host.discover(options, dependencies);
      await repository.refuseInside(found.stores.map(placeOf));
      return found;
    });
    const about = { project, operation: spec.operation };
    const journal = createJournal(repository.operations, id, spec, { clock, about });
    const undo = new UndoStack();
    const keptOpen: unknown[] = [];
    const session: Session<Spec> = {
      ...locked,
      ...{ stack, options, dependencies, host, journal, undo },
      keepOpen: (error) => void keptOpen.push(error),
    };
    return await closing(session, keptOpen, work);
  });
}

/** Recovers the unfinished operations of this repository, and those of dead lock owners in other repositories. */
async function recoverAll(
  lock: HeldLock,
  repository: Repository,
  recoveries: Recoveries,
  given: Omit<RecoveryContext, "operation" | "repository">,
): Promise<string[]> {
  const recovered = await recoverUnfinished(repository, recoveries, given);
  for (const dead of lock.recoveredFrom) {
    if (dead.repository !== repository.path) {
      const other = new Repository(dead.repository);
      await requireMine(other, dead);
      requireTrusted(other, dead);
      recovered.push(...(await recoverUnfinished(other, recoveries, given)));
    }
    await lock.forget(dead);
  }
  return recovered;
}

/**
 * Only the journal of a dead run knows what it did to the stack, and another user's journal may not be readable.
 * Continuing without it could leave a broker paused for ever.
 *
 * @throws RefusedError that names who can recover it.
 */
async function requireMine({ operations }: Repository, dead: DeadOwner): Promise<void> {
  try {
    await access(operations, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EACCES") return;
    throw new RefusedError(
      `${dead.operationId} was interrupted and must be recovered first, but this user cannot access its repository ${dead.repository}`,
      {
        cause,
        class: "foreign-operation",
        hint: `Run \`sophon-keeper recover --repository ${dead.repository}\` as its owner or as root.`,
      },
    );
  }
}

/**
 * A journal of another user could make root remove anything, so root does not obey it.
 *
 * @throws RefusedError that names who can recover it.
 */
function requireTrusted({ path }: Repository, dead: DeadOwner): void {
  try {
    requireOwnRepository(path);
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new RefusedError(
      `${dead.operationId} was interrupted and must be recovered first, by the owner of its repository ${path}`,
      {
        cause,
        class: "foreign-operation",
        hint: `Run \`sophon-keeper recover --repository ${path}\` as that user, or with sudo from that user's account.`,
      },
    );
  }
}

async function closing<Spec extends JournalSpec, T>(
  session: Session<Spec>,
  keptOpen: readonly unknown[],
  work: (session: Session<Spec>) => Promise<T>,
): Promise<T> {
  const { journal, undo, dependencies } = session;
  try {
    const value = await work(session);
    undo.commit();
    journal.close("done");
    await forgetTexts(session);
    return value;
  } catch (thrown) {
    const error = undo.isCommitted ? afterCommit(thrown) : thrown;
    const left = keptOpen.map((cause) => ({ name: "the operation", error: cause }));
    const failed = [...(await undo.unwind()), ...left];
    // If the engine is down, nothing inside the containers was stopped: keep the journal open for a later run.
    const isUndone = failed.length === 0 && (await engineAnswers(await session.host.engine()));
    if (isUndone) journal.close("undone");
    else journal[Symbol.dispose]();
    if (isUndone) await forgetTexts(session);
    const isCancelled = dependencies.signal.aborted && !needsPerson(error);
    const told = isCancelled ? cancelled(error) : error;
    // One that keeps the journal open is told once.
    throw withUndoFailures(
      told,
      failed.filter((one) => one.error !== thrown),
    );
  }
}

/** An error of the host is refused at the top as one that changed nothing: not where something was committed. */
function afterCommit(error: unknown): unknown {
  const isPlain = error instanceof Error && !(error instanceof KeeperError);
  return isPlain ? new Error(describeError(error), { cause: error }) : error;
}

/** The journal has ended, and nobody goes back by them any more; those that stay the next run removes. */
async function forgetTexts({ repository, id }: Pick<Locked, "repository" | "id">) {
  await repository.forgetWork(id).catch(() => undefined);
}

/** Exit 7 is reported even if the run was cancelled. */
function needsPerson(error: unknown): boolean {
  return error instanceof KeeperError && error.exitCode === exitCodes.needsPerson;
}

function cancelled(error: unknown): KeeperError {
  return error instanceof CancelledError
    ? error
    : new CancelledError("cancelled; the host is in its previous state", { cause: error });
}

/** Adds failed undo steps to the first error. They never replace it, and its hint stays. */
export function withUndoFailures(
  error: unknown,
  failed: readonly { readonly name: string; readonly error: unknown }[],
): unknown {
  const others = failed.filter((one) => one.error !== error);
  if (others.length === 0) return error;
  const left = others.map(({ name, error }) => `${name}: ${describeError(error)}`).join("; ");
  const told = `${describeError(error)}; and could not be undone: ${left}; run \`sophon-keeper recover\``;
  if (!(error instanceof KeeperError)) return new Error(told, { cause: error });
  const { hint, evidence, facts } = error;
  return new KeeperError(error.exitCode, error.result, told, {
    ...(hint === undefined ? {} : { hint }),
    ...(evidence === undefined ? {} : { evidence }),
    ...{ cause: error, class: error.class, facts },
  });
}
