import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { RefusedError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import { hasServer, type Stack } from "../model/stack.ts";
import { ownFiles } from "../operations/onboard/examples.ts";
import { filesFor, recipientsText } from "../operations/onboard/files.ts";
import { keyRoles, keysIn, type StoredKey } from "../operations/onboard/key-files.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { repositoryPath } from "../operations/session/repository-path.ts";
import type { Options } from "../options/parse.ts";
import { backup } from "./backup.ts";
import { verify } from "./verify.ts";

/**
 * Sets up a stack's schedule: keys, workflows, systemd units with the values of this stack; then the first backup and its
 * test restore. Overwrites nothing: what is there already is kept, and said.
 *
 * @throws RefusedError if there is no stack, and whatever the first backup throws.
 */
export async function init(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock, reporter, host } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  if ((await host.engine()).own !== undefined) {
    throw new RefusedError(
      "init sets up a program of this host, and this one goes with its container",
      {
        class: "in-container",
        hint: "docs/container.md has a line for cron; or install a package with a Node inside (docs/install.md)",
      },
    );
  }
  const stack = await host.discover(options, dependencies);
  const isRoot = process.geteuid?.() === 0;
  const keepIn = join(isRoot ? "/usr/local" : join(homedir(), ".local"), "lib/sophon-keeper");
  const own = await ownFiles(process.argv[1] ?? "", { keepIn, isDry: options.dryRun });
  reporter.info(`project ${stack.project} in ${stack.directory}`);
  const keysDirectory = options.keysDirectory ?? join(homedir(), "sophon-keeper-keys");
  const target = options.into ?? stack.directory;
  refuseInside(keysDirectory, stack.directory);
  const planned = options.dryRun
    ? (Object.keys(keyRoles) as (keyof typeof keyRoles)[]).map((role): StoredKey => {
        const path = join(keysDirectory, `${role}.key`);
        return { role, path, recipient: `age1-${role}-key`, isNew: true };
      })
    : await keysIn(keysDirectory);
  const recipientsFile = join(keysDirectory, "recipients.txt");
  const setting = {
    ...{ directory: stack.directory, project: stack.project, main: mainService(stack) },
    composeFiles: stack.composeFiles.map((path) => relative(stack.directory, path)),
    repository: resolve(repositoryPath(options, stack.project)),
    recipients: planned.map(({ role, recipient }) => ({ recipient, about: keyRoles[role] })),
    ...{ node: own.node, program: own.program, recipientsFile },
    verifyKey: planned.find(({ role }) => role === "verify")?.path ?? "",
  };
  const files = {
    [recipientsFile]: recipientsText(setting),
    ...Object.fromEntries(
      Object.entries(filesFor(setting, own.examples)).map(([name, text]): [string, string] => [
        join(target, name),
        text,
      ]),
    ),
  };
  if (options.dryRun) {
    return {
      result: "planned",
      seconds: seconds(),
      plan: { keys: planned.map(({ path }) => path), files },
    };
  }
  const written: string[] = [];
  const kept: string[] = [];
  for (const [path, text] of Object.entries(files)) {
    ((await writeNew(path, text)) ? written : kept).push(path);
  }
  const told = {
    keys: planned.map(({ role, path, isNew }) => ({ path, isNew, about: keyRoles[role] })),
    ...{ written, unchanged: kept },
    next: nextSteps(planned, target),
  };
  for (const path of written) reporter.info(`wrote ${path}`);
  for (const path of kept) reporter.info(`kept ${path}, which was there`);
  if (options.filesOnly) return { result: "passed", seconds: seconds(), ...told };
  const proof = await prove(options, dependencies, setting);
  return { ...proof, seconds: seconds(), ...told };
}

/** The first backup, and its test restore with the key that stays here. */
async function prove(
  options: Options,
  dependencies: HostDependencies,
  setting: {
    readonly recipientsFile: string;
    readonly verifyKey: string;
    readonly recipients: readonly { readonly recipient: string }[];
  },
): Promise<Result> {
  const recipients = setting.recipients.map(({ recipient }) => recipient);
  const made = await backup({ ...options, command: "backup", recipients }, dependencies);
  const identity = await identityIn(setting.verifyKey);
  return await verify(
    {
      ...options,
      ...{ command: "verify", backup: made.backupId ?? "latest", level: "restore", identity },
    },
    dependencies,
  );
}

async function identityIn(path: string): Promise<string[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").filter((line) => line.startsWith("AGE-SECRET-KEY-"));
}

/** Private keys beside the data would be in every backup of it, and on the disk that the backup protects. */
function refuseInside(keysDirectory: string, project: string): void {
  const [keys, around] = [resolve(keysDirectory), resolve(project)];
  if (keys !== around && !keys.startsWith(`${around}/`)) return;
  throw new RefusedError(`keys-directory: ${keys} is inside the project's directory`, {
    class: "input",
    hint: "Keep keys elsewhere: whoever has both opens every backup.",
  });
}

/** What an upgrade usually changes: the stack's own service, not one of its database servers. */
function mainService({ stores, containers, tier }: Stack) {
  const servers = new Set(stores.filter(hasServer).map(({ service }) => service));
  const own = containers.filter(({ service }) => !servers.has(service));
  const main =
    tier === "other" ? own[0] : (own.find(({ service }) => service.includes("gateway")) ?? own[0]);
  if (main === undefined) return undefined;
  const image = main.imageReference.replace(/@sha256:.*$/, "").replace(/:[^:/]+$/, "");
  return { service: main.service, image };
}

async function writeNew(path: string, text: string): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function nextSteps(keys: readonly StoredKey[], target: string): string[] {
  const pathOf = (role: StoredKey["role"]) => keys.find((key) => key.role === role)?.path ?? "";
  return [
    `Move ${pathOf("backup")} and ${pathOf("recovery")} off this host, to two places. Without one of them no backup can be opened elsewhere.`,
    `With GitHub: commit ${join(target, ".github/workflows")}, and put the line AGE-SECRET-KEY-1... of ${pathOf("verify")} into the secret SOPHON_VERIFY_IDENTITY.`,
    `Without GitHub: copy ${join(target, "systemd")}/* to /etc/systemd/system, then systemctl daemon-reload && systemctl enable --now sophon-keeper-backup.timer sophon-keeper-recover.service.`,
    `Without systemd: copy ${join(target, "cron.d/sophon-keeper")} to /etc/cron.d.`,
  ];
}
