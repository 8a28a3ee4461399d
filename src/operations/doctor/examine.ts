import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { recipientOf } from "../../archive/age/keys.ts";
import { CancelledError, describeError, RefusedError } from "../../core/errors.ts";
import { useWorkDirectory } from "../../core/temp.ts";
import { placeOf, type Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { Repository, type StoredBackup } from "../../repository/repository.ts";
import { foreignRepository } from "../../repository/require-own.ts";
import { newestOffHost } from "../off-host/copies.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { listUnfinished } from "../session/journal.ts";
import { repositoryPath } from "../session/repository-path.ts";
import { rollbackCopyPrefix } from "../upgrade/rollback-copies.ts";
import { checkSealed, isEncrypted } from "../verify/sealed-manifest.ts";
import { judgeEngine } from "./engine-access.ts";
import { judgePlaces } from "./file-systems.ts";
import {
  type Finding,
  judgeBackups,
  judgeContainers,
  judgeKeysAtHand,
  judgeNode,
  judgeOffHost,
  judgeTar,
  judgeTools,
} from "./findings.ts";
import { firstLine } from "./first-line.ts";
import { judgeImages } from "./pullable-images.ts";
import { judgeAccess, judgeRollback, judgeSpace, lookingSession } from "./rollback.ts";

/** What was found, and why there is no stack, if there is none. */
interface Examination {
  readonly findings: readonly Finding[];
  readonly refusal?: RefusedError;
}

/** Asks everything. A question that cannot be answered is a finding, and stops no other. Changes nothing. */
export async function examine(
  options: Options,
  dependencies: HostDependencies,
): Promise<Examination> {
  const findings = [judgeNode(process.version), judgeTar(await firstLine("tar", ["--version"]))];
  findings.push(
    ...judgeTools({
      age: await firstLine("age", ["--version"]),
      zstd: await firstLine("zstd", ["--version"]),
    }),
  );
  findings.push(...(await asked("clock", judgeClock)));
  findings.push(...(await asked("engine", () => judgeEngine(dependencies))));
  let stack: Stack;
  try {
    stack = await dependencies.host.discover(options, dependencies);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const detail = `${error.message}${error.hint === undefined ? "" : `. ${error.hint}`}`;
    return { findings: [...findings, { status: "fail", name: "stack", detail }], refusal: error };
  }
  const { project, tier, directory, stores } = stack;
  const names = stores.map(({ name }) => name).join(", ");
  findings.push({
    ...{ status: "pass", name: "stack" },
    detail: `${project} (${tier}) in ${directory}: ${names}`,
  });
  const notes = (stack.notes ?? []).map(
    (detail): Finding => ({ status: "warn", name: "stack", detail }),
  );
  const repository = new Repository(repositoryPath(options, project));
  await useWorkDirectory(repository.clear);
  const session = await lookingSession(stack, repository, options, dependencies);
  return {
    findings: [
      ...findings,
      ...notes,
      ...judgeContainers(stack.containers),
      ...stores.flatMap(judgeBroker),
      ...(await asked("images", () => judgeImages(stack, dependencies))),
      ...(await asked("file system", () => judgePlaces(stack, repository))),
      ...(await asked("access", () => judgeAccess(session))),
      ...(await asked("room", () => judgeSpace(session))),
      ...(await asked("rollback", () => judgeRollback(session))),
      ...judgeOwner(repository.path),
      ...(await asked("backups", () => judgeRepository(repository, options, dependencies))),
      ...(await asked("recipients", () => judgeRecipients(options))),
      ...(await asked("leftovers", async () => judgeLeftovers(stack, repository))),
    ],
  };
}

/** Every other command refuses such a repository. */
function judgeOwner(path: string): Finding[] {
  const found = foreignRepository(path);
  if (found === undefined) return [];
  const detail = `${found.path} ${found.wrong}, no command uses such a repository: \`${found.fix}\``;
  return [{ status: "fail", name: "repository", detail }];
}

async function asked(name: string, question: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await question();
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    return [{ status: "warn", name, detail: `could not be looked at: ${describeError(error)}` }];
  }
}

/** A clock that is wrong dates backups wrongly, and retention then keeps the wrong ones. */
async function judgeClock(): Promise<Finding[]> {
  const told = await firstLine("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  if (told === "yes") return [{ status: "pass", name: "clock", detail: "synchronized" }];
  const detail =
    told === "no"
      ? "is not synchronized: backups may be dated wrongly; enable systemd-timesyncd or chrony"
      : "nothing here says whether it is synchronized: backups may be dated wrongly";
  return [{ status: "warn", name: "clock", detail }];
}

function judgeBroker(store: Stack["stores"][number]): Finding[] {
  if (store.kind !== "rabbitmq") return [];
  const name = "broker name";
  if (store.pinned) return [{ status: "pass", name, detail: store.nodeName }];
  const detail = `${store.service} has no hostname in the Compose file: a recreated broker starts empty; write hostname: ${store.nodeName.split("@")[1]}`;
  return [{ status: "fail", name, detail }];
}

async function judgeRepository(
  repository: Repository,
  options: Options,
  { clock, signal }: HostDependencies,
): Promise<Finding[]> {
  const backups = await repository.list();
  const known = backups.map(({ id, manifest, marks, problem }) => ({
    ...{ id, level: marks?.level ?? null, problem: problem ?? marks?.failure },
    createdAtMs: manifest === undefined ? undefined : Date.parse(manifest.createdAt),
    isEncrypted: manifest?.components.every(({ encryption }) => encryption === "age"),
  }));
  const nowMs = clock.now().getTime();
  const found = judgeBackups(known, nowMs);
  if (backups.length === 0) return found;
  const newest = backups.find(({ manifest }) => manifest !== undefined && isEncrypted(manifest));
  const keys = newest === undefined ? [] : [await judgeKey(newest, options, signal)];
  return [...found, ...keys, judgeOffHost(await newestOffHost(repository), nowMs)];
}

/** Whether the key at hand opens the newest backup: nobody wants to learn it on the night of a restore. */
async function judgeKey(
  { id, path, manifest }: Pick<StoredBackup, "id" | "path" | "manifest">,
  { identity, passphrase }: Options,
  signal: AbortSignal,
): Promise<Finding> {
  const name = "key";
  if (manifest === undefined || (identity.length === 0 && passphrase === undefined)) {
    const detail = `whether yours opens ${id} was not tried: give its file as identity`;
    return { status: "warn", name, detail };
  }
  const source = { directory: path, identities: identity, passphrase };
  const { status, detail } = await checkSealed(source, manifest, signal);
  if (status === "pass") return { status, name, detail: `the given one opens ${id}` };
  return { status: "fail", name, detail: `${id}: ${detail}` };
}

/** Whether somebody can open what is encrypted to these recipients. */
async function judgeRecipients({ recipients, identity }: Options): Promise<Finding[]> {
  const opened = await Promise.all(identity.map(recipientOf));
  return judgeKeysAtHand(recipients, opened);
}

async function judgeLeftovers(stack: Stack, repository: Repository): Promise<Finding[]> {
  const unfinished = listUnfinished(repository.operations);
  const name = "leftovers";
  const found = unfinished.map(({ id, operation }): Finding => {
    const detail = `${operation} ${id} is unfinished: run \`sophon-keeper recover\`, unless it runs now`;
    return { status: "fail", name, detail };
  });
  const begun = unfinished.map(({ id }) => id);
  const copies = (await rollbackCopies(stack)).filter(
    (path) => !begun.some((id) => basename(path).includes(id)),
  );
  for (const path of copies) {
    const detail = `${path} is the rollback copy of an upgrade that has ended, and takes room: remove it, unless an upgrade runs now`;
    found.push({ status: "warn", name, detail });
  }
  return found.length > 0 ? found : [{ status: "pass", name, detail: "none" }];
}

/** The rollback copies beside the data, as far as this user can see them. */
async function rollbackCopies({ stores }: Stack): Promise<string[]> {
  const folders = [...new Set(stores.map((store) => dirname(placeOf(store))))];
  const names = folders.map(async (folder) =>
    (await readdir(folder).catch(() => []))
      .filter((entry) => entry.startsWith(rollbackCopyPrefix))
      .map((entry) => join(folder, entry)),
  );
  return (await Promise.all(names)).flat();
}
