import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createFile } from "../core/durable.ts";
import { RefusedError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import { keysOf } from "../operations/onboard/chosen-keys.ts";
import { keepProgram, ownFiles } from "../operations/onboard/examples.ts";
import { filesFor, type Setting, scheduleKinds } from "../operations/onboard/files.ts";
import { identitiesIn, keyPaths } from "../operations/onboard/key-files.ts";
import { aboutHost, type Found, lookAround } from "../operations/onboard/look-around.ts";
import { nextSteps } from "../operations/onboard/next-steps.ts";
import { releaseCommit } from "../operations/onboard/release-commit.ts";
import { givenInputs, mainService, watchedFiles } from "../operations/onboard/stack-values.ts";
import { chosenSteps, questionsOf, type Step, whoAnswers } from "../operations/onboard/steps.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import type { Options } from "../options/parse.ts";
import { backup } from "./backup.ts";
import { verify } from "./verify.ts";

/**
 * Sets up a stack's schedule: keys, workflows, systemd units with the values of this stack; then the first backup and its
 * test restore. Asks before each step, and begins after the last answer. Overwrites nothing: what is there already is kept, and said.
 *
 * @throws RefusedError if there is no stack or nobody can be asked, CancelledError for a question that is not answered, and
 * whatever the first backup throws.
 */
export async function init(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock, reporter, host, signal, version } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  await refuseContainer(dependencies);
  const ask = whoAnswers(options, dependencies.ask);
  const isRoot = process.geteuid?.() === 0;
  const keepIn = join(isRoot ? "/usr/local" : join(homedir(), ".local"), "lib/sophon-keeper");
  const own = await ownFiles(process.argv[1] ?? "", keepIn);
  const stack = await host.discover(options, dependencies);
  const found = await lookAround(options, stack);
  for (const line of aboutHost(found)) reporter.info(line);
  const steps = await chosenSteps(questionsOf(found), options.skip, ask);
  signal.throwIfAborted();

  const release = steps.has("workflows") ? await releaseCommit(own.folder, signal) : undefined;
  const keys = await keysOf(found, steps, options);
  const setting: Setting = {
    ...{ directory: stack.directory, project: stack.project, main: mainService(stack) },
    ...{ repository: found.repository, given: givenInputs(options), watched: watchedFiles(stack) },
    ...{ node: own.node, program: own.program, recipientsFile: found.recipientsFile },
    recipients: keys.recipients,
    verifyKey: keyPaths(found.keysDirectory).verify,
    release: release !== undefined && "commit" in release ? { ...release, version } : undefined,
  };
  const files = {
    ...keys.files,
    ...scheduleFiles(found, setting, steps, own.examples),
  };
  const warnings = unpinned(release, version);
  for (const warning of warnings) reporter.warning(warning);
  if (options.dryRun) {
    const planned = { keys: keys.stored.map(({ path }) => path), files };
    return { result: "planned", seconds: seconds(), plan: planned, warnings };
  }
  if (own.copy !== undefined && (steps.has("systemd") || steps.has("cron"))) {
    await keepProgram(own.copy);
  }
  const told = {
    ...writeAll(files, reporter),
    keys: keys.stored.map(({ path, isNew, about }) => ({ path, isNew, about })),
    ...(keys.signer === undefined ? {} : { signer: keys.signer }),
    next: nextSteps(found, steps, keys),
    warnings,
  };
  if (!steps.has("proof") || keys.recipients.length === 0) {
    return { result: "passed", seconds: seconds(), ...told };
  }
  const proof = await prove(options, dependencies, setting).catch((error: unknown) => {
    // The keys and files are there all the same.
    for (const step of told.next) reporter.info(`next: ${step}`);
    throw error;
  });
  const all = [...warnings, ...(proof.warnings ?? [])];
  return { ...proof, ...told, warnings: all, seconds: seconds() };
}

async function refuseContainer({ host }: HostDependencies): Promise<void> {
  if ((await host.engine()).own === undefined) return;
  throw new RefusedError(
    "init sets up a program of this host, and this one goes with its container",
    {
      class: "in-container",
      hint: "docs/container.md has a line for cron; or install a package with a Node inside (docs/install.md)",
    },
  );
}

function scheduleFiles(
  { targets }: Found,
  setting: Setting,
  steps: ReadonlySet<Step>,
  examples: Readonly<Record<string, string>>,
): Record<string, string> {
  const kinds = scheduleKinds.filter((kind) => steps.has(kind));
  const files = kinds.flatMap((kind) =>
    Object.entries(filesFor(kind, setting, examples)).map(([path, text]): [string, string] => [
      join(targets[kind], path),
      text,
    ]),
  );
  return Object.fromEntries(files);
}

function writeAll(
  files: Readonly<Record<string, string>>,
  reporter: HostDependencies["reporter"],
): { readonly written: readonly string[]; readonly unchanged: readonly string[] } {
  const [written, unchanged]: [string[], string[]] = [[], []];
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(path), { recursive: true });
    (createFile(path, text, 0o666) ? written : unchanged).push(path);
  }
  for (const path of written) reporter.info(`wrote ${path}`);
  for (const path of unchanged) reporter.info(`kept ${path}, which was there`);
  return { written, unchanged };
}

/** The first backup, and its test restore with the key that stays here. */
async function prove(
  options: Options,
  dependencies: HostDependencies,
  setting: Setting,
): Promise<Result> {
  const recipients = setting.recipients.map(({ recipient }) => recipient);
  const made = await backup({ ...options, command: "backup", recipients }, dependencies);
  const identity = await identitiesIn(setting.verifyKey);
  return await verify(
    {
      ...options,
      ...{ command: "verify", backup: made.backupId ?? "latest", level: "restore", identity },
    },
    dependencies,
  );
}

function unpinned(
  release: Awaited<ReturnType<typeof releaseCommit>> | undefined,
  version: string,
): string[] {
  if (release === undefined || "commit" in release) return [];
  return [
    `the workflows name a tag that moves, because the commit of v${version} is not known (${release.unknown}): pin them, or let Dependabot or Renovate do it`,
  ];
}
