import { quoted } from "../../core/shell.ts";
import type { TreeAside } from "../../stores/tree/replace.ts";
import type { Dependencies } from "../live-stack/depends-on.ts";
import { startCommands, stopAll } from "../live-stack/manual-commands.ts";
import type {
  JournalledCreation,
  JournalledPins,
  JournalledReplacement,
  StoppedContainer,
} from "./journal.ts";

/** A place whose content was set aside, and where that lies now. */
export interface PlaceAside extends TreeAside {
  readonly replacement: JournalledReplacement;
}

/** What a restore did, as far as a person has to undo it. */
export interface LeftToDo {
  readonly project: string;
  readonly asides: readonly PlaceAside[];
  readonly created: JournalledCreation | undefined;
  readonly pinned: JournalledPins | undefined;
  /** The containers as they were before. */
  readonly stopped: readonly StoppedContainer[];
  readonly dependencies: Dependencies | undefined;
}

/**
 * What a person types, as root and in this order, who cannot or will not use `recover`. Each line can be typed again:
 * what is in its place already stays there, and nothing is removed.
 */
export function byHand(left: LeftToDo): string[] {
  const { project, asides, created, pinned, stopped, dependencies } = left;
  const ran = stopped
    .filter((one) => one.ran)
    .map((one) => ({
      // A journal of an earlier version knows no names: the engine takes an id as well.
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
      `  # ${path} is there while a container mounts the volume ${volume}: \`recover\` moves it`,
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

/** Containers were made anew: those of before are made again, from the files that name their images. */
function makesAgain(
  { project, containers }: JournalledCreation,
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
    `  docker compose ${flags.join(" ")} up --no-start --pull never ${services.join(" ")}`,
    ...edits.map(({ path, existed, before }) =>
      existed ? `  cp ${quoted(before)} ${quoted(path)}` : `  rm -f ${quoted(path)}`,
    ),
  ];
}
