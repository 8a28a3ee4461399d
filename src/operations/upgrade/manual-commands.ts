import { lstatSync } from "node:fs";
import { basename, join } from "node:path";
import { realPath } from "../../core/real-path.ts";
import { quoted } from "../../core/shell.ts";
import { keeperLabels } from "../../model/keeper-labels.ts";
import { createWords, startCommands, stopAll } from "../live-stack/manual-commands.ts";
import { scriptOf } from "../live-stack/shell-variables.ts";
import type { PlannedContainer, UpgradePlan } from "./journal.ts";

/** An upgrade that a person has to roll back manually. */
interface LeftUpgrade {
  readonly id: string;
  readonly plan: UpgradePlan;
  /** Unless this is `data`, the old data is already in place. */
  readonly doubt: "data" | "stops" | "nothing";
  /** The path of the journal. */
  readonly journal: string;
}

/**
 * The commands for a manual rollback, as root and in this order, for when `recover` fails. They read the rollback
 * copies and do not change them. They move the journal away before the old version starts: otherwise a later run would
 * restore the copies again and overwrite what the old version has written since.
 */
export function byHand({ plan, doubt, journal }: LeftUpgrade): string[] {
  const { project, forward, backward } = plan;
  const flags = [
    ...["-p", quoted(project.project), "--project-directory", quoted(project.directory)],
    ...backward.composeFiles.flatMap((file) => ["-f", quoted(file)]),
    ...project.envFiles.flatMap((file) => ["--env-file", quoted(file)]),
    ...project.profiles.flatMap((name) => ["--profile", quoted(name)]),
  ];
  const ran = plan.containers
    .filter(({ state }) => state === "running" || state === "paused")
    .map((one) => ({
      ...one,
      isPaused: one.state === "paused",
      healthy: one.health === "healthy",
    }));
  const services = [...new Set(ran.map(({ service }) => service))];
  return [
    stopAll(project.project),
    ...(doubt === "data" ? plan.copies.map(putBack) : []),
    ...forward.edits.map(({ path, existed, before }) =>
      existed ? `cp ${quoted(before)} ${quoted(path)}` : `rm -f ${quoted(path)}`,
    ),
    ...backward.edits.map(({ path, after }) => `cp ${quoted(after)} ${quoted(path)}`),
    ...Object.values(plan.services)
      .filter(({ from }) => !from.includes("@") && !from.startsWith("sha256:"))
      .map(({ from, fromId }) => `docker tag ${fromId} ${quoted(from)}`),
    `mv ${quoted(journal)} ${quoted(`${journal}.by-hand`)}`,
    ...(project.variables === undefined ? [] : [`. ${quoted(scriptOf(project.variables))}`]),
    `docker compose ${flags.join(" ")} ${createWords(services, plan)}`,
    ...(doubt === "data" ? plan.containers.flatMap((one) => putIntoAnonymous(one, plan)) : []),
    ...startCommands(ran, plan.dependencies),
  ].map((command) => `  ${command}`);
}

/** The clean-up commands for once the old version has proven itself. Until then the rollback copies are needed. */
export function afterwards({ id, plan, journal }: LeftUpgrade): string[] {
  const copies = plan.copies.map(({ copy }) => quoted(copy));
  const kept = `--filter label=${keeperLabels.kind}=keep --filter label=${keeperLabels.operation}=${id}`;
  return [
    ...(copies.length === 0 ? [] : [`rm -rf ${copies.join(" ")}`]),
    `rm -rf ${quoted(plan.work)} ${quoted(journal.replace(/\.jsonl$/, ".ballast"))}`,
    `docker ps -aq ${kept} | xargs -r docker rm`,
    `docker images --filter 'reference=sophon-keeper/keep:${id}-*' --format '{{.Repository}}:{{.Tag}}' | xargs -r docker rmi`,
  ].map((command) => `  ${command}`);
}

/** Empties the target first: no file of the failed version may stay. `.` copies the top directory's attributes, too. */
function putBack({ source, copy }: UpgradePlan["copies"][number]): string {
  // The copy holds what a link leads to.
  const place = realPath(source);
  const [from, to] = [join(copy, "tree"), quoted(place)];
  if (isFile(join(from, basename(place)), place)) {
    return `cp --archive ${quoted(join(from, basename(place)))} ${to}`;
  }
  return `find ${to} -mindepth 1 -delete && cp --archive ${quoted(from)}/. ${to}/`;
}

/**
 * A volume without a name belongs to its container: one that Compose creates anew has another, empty volume. So the
 * content is put there as well.
 */
function putIntoAnonymous({ name, anonymous = [] }: PlannedContainer, plan: UpgradePlan): string[] {
  return anonymous.flatMap(({ volume, target }) => {
    const own = plan.copies.find((one) => one.volume === volume);
    if (own === undefined) return [];
    const place = `{{range .Mounts}}{{if eq .Destination "${target}"}}{{.Source}}{{end}}{{end}}`;
    const to = `"$(docker inspect --format ${quoted(place)} ${quoted(name)})"`;
    const from = join(own.copy, "tree");
    return [`find ${to} -mindepth 1 -delete && cp --archive ${quoted(from)}/. ${to}/`];
  });
}

/** A bind mount may be a single file: its copy contains only that file, and the source may be missing. */
function isFile(inCopy: string, source: string): boolean {
  const stat = (path: string) => lstatSync(path, { throwIfNoEntry: false });
  const there = stat(source);
  return there === undefined ? stat(inCopy) !== undefined : !there.isDirectory();
}
