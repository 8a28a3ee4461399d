import type { ThrowAwayContainer } from "../core/containers.ts";
import { mountArgument } from "../core/mount.ts";
import type { TaskMount, TaskPlace } from "../core/task.ts";
import { taskCommand } from "./entry.ts";

/** This program as a helper container starts it. */
export interface HelperEntry {
  /** Absolute path of the script that knows the command `__task`. */
  readonly script: string;
  /** Directories that the script needs, mounted read-only at their own paths. */
  readonly directories: readonly string[];
  /** The image that contains the script, where the host does not. */
  readonly image?: string | undefined;
}

/** The arguments of `docker` that start a helper; parameters travel on its standard input. */
export function helperArguments(
  { name, image, labels }: ThrowAwayContainer,
  place: TaskPlace,
  entry: HelperEntry,
): string[] {
  const directories = entry.directories.map((path) => ({ path, readOnly: true }));
  const network = place.networkOf === undefined ? "none" : `container:${place.networkOf}`;
  return [
    ...["run", "--rm", "--interactive", "--pull", "never", "--name", name],
    ...Object.entries(labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]),
    ...["--network", network, "--security-opt", "label=disable", "--log-driver", "none"],
    ...["--user", place.user ?? "0:0", "--tmpfs", "/tmp", "--workdir", "/"],
    ...mergeMounts([...place.mounts, ...directories]).flatMap((m) => ["--mount", mountOf(m)]),
    ...["--entrypoint", "node", image, entry.script, taskCommand],
  ];
}

/** One mount per path, writable if any of its users needs that. */
export function mergeMounts(mounts: readonly TaskMount[]): TaskMount[] {
  const merged = new Map<string, TaskMount>();
  for (const mount of mounts) {
    const before = merged.get(mount.path);
    const readOnly = mount.readOnly && before?.readOnly !== false;
    merged.set(mount.path, { ...before, ...mount, readOnly });
  }
  return [...merged.values()];
}

function mountOf({ path, readOnly, volume }: TaskMount): string {
  return mountArgument({ source: volume ?? path, target: path, readOnly });
}
