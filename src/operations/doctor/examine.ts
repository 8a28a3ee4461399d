import { readFile, stat } from "node:fs/promises";
import { describeError, RefusedError } from "../../core/errors.ts";
import { run } from "../../core/exec.ts";
import { existingAncestor, freeBytes } from "../../core/free-space.ts";
import { taskMount } from "../../core/task.ts";
import { useWorkDirectory } from "../../core/temp.ts";
import { placeOf, type Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { Repository, type StoredBackup } from "../../repository/repository.ts";
import { foreignRepository } from "../../repository/require-own.ts";
import { measureTrees } from "../../stores/tree/size.ts";
import { newestOffHost } from "../off-host/copies.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { listUnfinished } from "../session/journal.ts";
import { repositoryPath } from "../session/repository-path.ts";
import { checkSealed, isEncrypted } from "../verify/sealed-manifest.ts";
import {
  type Finding,
  judgeBackups,
  judgeContainers,
  judgeDisks,
  judgeFileSystem,
  judgeNode,
  judgeOffHost,
  judgeRoom,
  judgeSocket,
  judgeTar,
  judgeTools,
} from "./findings.ts";

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
  return {
    findings: [
      ...findings,
      ...notes,
      ...(await asked("engine", () => judgeEngine(dependencies))),
      ...judgeContainers(stack.containers),
      ...stores.flatMap(judgeBroker),
      ...(await asked("images", () => judgeImages(stack, dependencies))),
      ...(await asked("file system", () => judgePlaces(stack, repository))),
      ...(await asked("room", () => judgeSpace(stack, repository, dependencies))),
      ...judgeOwner(repository.path),
      ...(await asked("backups", () => judgeRepository(repository, options, dependencies))),
      ...(await asked("leftovers", async () => judgeLeftovers(repository))),
    ],
  };
}

/** Of a program that looks at this host. */
const answerMs = 10_000;

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
    return [{ status: "warn", name, detail: `could not be looked at: ${describeError(error)}` }];
  }
}

async function firstLine(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(program, args, { timeoutMs: answerMs });
    return stdout.toString().split("\n")[0];
  } catch {
    return undefined;
  }
}

/** A clock that is wrong dates backups wrongly, and retention then keeps the wrong ones. */
async function judgeClock(): Promise<Finding[]> {
  const told = await firstLine("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
  if (told === "yes") return [{ status: "pass", name: "clock", detail: "synchronized" }];
  if (told !== "no") return [];
  const detail =
    "is not synchronized: backups may be dated wrongly; enable systemd-timesyncd or chrony";
  return [{ status: "warn", name: "clock", detail }];
}

function judgeBroker(store: Stack["stores"][number]): Finding[] {
  if (store.kind !== "rabbitmq") return [];
  const name = "broker name";
  if (store.pinned) return [{ status: "pass", name, detail: store.nodeName }];
  const detail = `${store.service} has no hostname in the Compose file: a recreated broker starts empty; write hostname: ${store.nodeName.split("@")[1]}`;
  return [{ status: "fail", name, detail }];
}

/** An image that is only on this host is gone with it: nothing brings the old version back then. */
async function judgeImages(stack: Stack, { host }: HostDependencies): Promise<Finding[]> {
  const { docker } = await host.engine();
  const images = new Map(stack.containers.map((one) => [one.imageId, one]));
  const found: Finding[] = [];
  for (const [id, { service, imageReference }] of images) {
    // The engine says null where its types say an empty list.
    const image = (await docker.getImage(id).inspect()) as { RepoDigests?: string[] | null };
    if ((image.RepoDigests ?? []).length > 0) continue;
    const why =
      stack.model.services[service]?.build === undefined ? "in no registry" : "built here";
    const detail = `${imageReference} of ${service} is ${why}: it cannot be pulled again on another host; keep it with docker save, or push it`;
    found.push({ status: "warn", name: "images", detail });
  }
  if (found.length > 0) return found;
  return [{ status: "pass", name: "images", detail: `${images.size}, all can be pulled again` }];
}

async function judgePlaces(stack: Stack, { path }: Repository): Promise<Finding[]> {
  const at = await existingAncestor(path);
  const places = [...new Set(stack.stores.map(placeOf))];
  const typeOf = async (place: string) =>
    (await firstLine("stat", ["--file-system", "--format=%T", place])) ?? "unknown";
  const kinds = await Promise.all(
    places.map(async (place) => judgeFileSystem("data", place, await typeOf(place))),
  );
  const devices = await Promise.all(
    places.map(async (place) => (await stat(place).catch(() => undefined))?.dev ?? -1),
  );
  return [
    ...kinds.filter(({ status }) => status !== "pass"),
    judgeFileSystem("repository", path, await typeOf(at)),
    judgeDisks((await stat(at)).dev, devices),
  ];
}

async function judgeSpace(
  stack: Stack,
  repository: Repository,
  dependencies: HostDependencies,
): Promise<Finding[]> {
  const mounts = stack.stores.map(({ mount }) => taskMount(mount, true));
  const paths = [...new Set(mounts.map(({ path }) => path))];
  const { tasks } = await dependencies.host.workbench("doctor", dependencies);
  const sizes = await tasks.run(measureTrees, { paths }, { mounts }, dependencies.signal);
  const dataBytes = sizes.reduce((sum, size) => sum + size, 0);
  const newest = (await repository.list()).find(({ manifest }) => manifest !== undefined);
  const at = await existingAncestor(repository.path);
  return [
    judgeRoom("a backup", {
      ...{ path: repository.path, neededBytes: newest?.bytes ?? dataBytes / 2 },
      freeBytes: await freeBytes(at),
    }),
    ...(
      await Promise.all(
        paths.map(async (path, index) =>
          judgeRoom("a rollback copy", {
            ...{
              path,
              neededBytes: sizes[index] ?? 0,
              freeBytes: await freeBytes(await existingAncestor(path)),
            },
          }),
        ),
      )
    ).filter(({ status }, index) => status !== "pass" || index === 0),
  ];
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

/** The versions of engine and Compose, and who may use the engine. */
async function judgeEngine({ host }: HostDependencies): Promise<Finding[]> {
  const { docker, endpoint, own } = await host.engine();
  const path = endpoint.slice("unix://".length);
  const [{ Version: version }, { mode, gid }, groups] = await Promise.all([
    docker.version(),
    stat(path),
    readFile("/etc/group", "utf8"),
  ]);
  const lines = groups.split("\n").map((line) => line.split(":"));
  const [group = String(gid), , , members = ""] =
    lines.find(([, , id]) => id === String(gid)) ?? [];
  const named = members.split(",").filter((member) => member !== "");
  const compose = await firstLine("docker", ["compose", "version", "--short"]);
  return [
    { status: "pass", name: "engine", detail: version },
    { status: "pass", name: "compose", detail: compose ?? "unknown" },
    // A container has no list of the users of the host.
    ...(own === undefined ? [judgeSocket({ path, mode, group, members: named })] : []),
  ];
}

function judgeLeftovers(repository: Repository): Finding[] {
  const unfinished = listUnfinished(repository.operations);
  const name = "leftovers";
  if (unfinished.length === 0) return [{ status: "pass", name, detail: "none" }];
  return unfinished.map(({ id, operation }) => {
    const detail = `${operation} ${id} is unfinished: run \`sophon-keeper recover\`, unless it runs now`;
    return { status: "fail", name, detail };
  });
}
