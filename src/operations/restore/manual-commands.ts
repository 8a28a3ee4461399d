import { quoted } from "../../core/shell.ts";
import type { TreeAside } from "../../stores/tree/replace.ts";
import type { Dependencies } from "../live-stack/depends-on.ts";
import { createWords, startCommands, stopAll } from "../live-stack/manual-commands.ts";
import { scriptOf } from "../live-stack/shell-variables.ts";
import type {
  JournalledCreation,
  JournalledPins,
  JournalledReplacement,
  StoppedContainer,
} from "./journal.ts";

/** A volume or directory whose content was set aside, and the current path of that content. */
export interface PlaceAside extends TreeAside {
  readonly replacement: JournalledReplacement;
}

/** The changes of a restore that a person has to undo. */
export interface LeftToDo {
  readonly project: string;
  readonly asides: readonly PlaceAside[];
  readonly created: JournalledCreation | undefined;
  readonly pinned: JournalledPins | undefined;
  /** The previous containers. */
  readonly stopped: readonly StoppedContainer[];
  readonly dependencies: Dependencies | undefined;
}

/**
 * The manual commands for a person who does not use `recover`, as root and in this order. Each line can be repeated:
 * content that is back in its place stays there, and nothing is removed.
 */
export function byHand(left: LeftToDo): string[] {
  const { project, asides, created, pinned, stopped, dependencies } = left;
  const ran = stopped
    .filter((one) => one.ran)
    .map((one) => ({
      // Journals of earlier versions have no names. The engine accepts an id, too.
      ...{ ...one, name: one.name === "" ? one.id : one.name },
      isPaused: one.state === "paused",
    }));
  return [
    `  ${stopAll(project)}`,
    ...asides.flatMap(movesOf),
    ...(created === undefined ? [] : makesAgain(created, pinned?.backward)),
    ...startCommands(ran, dependencies).map((command) => `  ${command}`),
  ];
}

function movesOf({ path, inside, replacement: { target, place } }: PlaceAside): string[] {
  if (path === undefined) return [];
  const volume = place.mounts.find((mount) => mount.volume !== undefined)?.volume;
  if (volume !== undefined) {
    return [
      `  # ${path} exists only while a container mounts the volume ${volume}: \`recover\` moves it`,
    ];
  }
  const [at, to] = [quoted(path), quoted(target)];
  if (!inside) {
    const restored = quoted(`${path}.restored`);
    return [
      `  [ ! -e ${at} ] || { { [ ! -e ${to} ] || mv ${to} ${restored}; } && mv ${at} ${to}; }`,
    ];
  }
  const base = path.replace(/\.(leaving|returning)$/, "");
  const [whole, leaving, returning, restored] = ["", ".leaving", ".returning", ".restored"].map(
    (suffix) => quoted(`${base}${suffix}`),
  );
  const all = "-mindepth 1 -maxdepth 1";
  const others = `${all} ! -name '.sophon-keeper-*'`;
  return [
    `  [ ! -e ${whole} ] || { mkdir -p -m 700 ${restored} && find ${to} ${others} -exec mv -t ${restored} {} + && mv ${whole} ${returning}; }`,
    `  [ ! -e ${leaving} ] || mv ${leaving} ${returning}`,
    `  [ ! -e ${returning} ] || { chown --reference=${returning} ${to} && chmod --reference=${returning} ${to} && find ${returning} ${all} -exec mv -t ${to} {} + && rmdir ${returning}; }`,
  ];
}

/** Recreates the previous containers, from files that pin their images. */
function makesAgain(
  { project, containers, needs = {} }: JournalledCreation,
  backward: JournalledPins["backward"] | undefined,
): string[] {
  if (containers.length === 0) return [];
  const { edits, composeFiles } = backward ?? { edits: [], composeFiles: project.composeFiles };
  const flags = [
    ...["-p", project.project, "--project-directory", quoted(project.directory)],
    ...composeFiles.flatMap((file) => ["-f", quoted(file)]),
    ...project.envFiles.flatMap((file) => ["--env-file", quoted(file)]),
    ...project.profiles.flatMap((name) => ["--profile", quoted(name)]),
  ];
  const services = [...new Set(containers.map(({ service }) => service))];
  return [
    ...edits.map(({ path, after }) => `  cp ${quoted(after)} ${quoted(path)}`),
    ...(project.variables === undefined ? [] : [`  . ${quoted(scriptOf(project.variables))}`]),
    `  docker compose ${flags.join(" ")} ${createWords(services, { containers, needs })}`,
    ...edits.map(({ path, existed, before }) =>
      existed ? `  cp ${quoted(before)} ${quoted(path)}` : `  rm -f ${quoted(path)}`,
    ),
  ];
}
