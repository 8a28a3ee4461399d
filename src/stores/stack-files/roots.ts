import { isAbsolute, resolve, sep } from "node:path";
import { placeOf, type Stack } from "../../model/stack.ts";
import { referencedFiles } from "./references.ts";

/** Whole trees of the host: an agent or a proxy looks at them, and they are no configuration of the stack. */
const HOST_TREES = new Set([
  ..."/ /bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv".split(
    " ",
  ),
  ..."/sys /tmp /usr /var /var/lib /var/lib/docker /var/log /var/run".split(" "),
]);
const HOST_PREFIXES = ["/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/var/lib/docker/"];

/** What belongs to a stack beside its data. */
interface StackRoots {
  /** Absolute paths of files and directories. */
  readonly paths: readonly string[];
  /** Mounts that are left out, one line each. */
  readonly skipped: readonly string[];
}

/**
 * All that a bare host needs to have the stack again: compose files and what they include, env files, the files of
 * `secrets:` and `configs:`, and what is mounted read-only.
 */
export async function stackRoots(stack: Stack, repository: string): Promise<StackRoots> {
  const stores = stack.stores.map(placeOf);
  const mounted = readOnlyMounts(stack).filter(
    (path) => !stores.some((store) => within(path, store)),
  );
  const isHosts = (path: string) =>
    HOST_TREES.has(path) ||
    HOST_PREFIXES.some((prefix) => path.startsWith(prefix)) ||
    [...stores, repository].some((inner) => within(inner, path));
  const own = [
    ...stack.composeFiles,
    ...stack.envFiles,
    ...(await referencedFiles(stack)),
    ...sources(stack, "secrets"),
    ...sources(stack, "configs"),
  ].filter((path) => !stores.some((store) => within(path, store)));
  const paths = [...new Set([...own, ...mounted.filter((path) => !isHosts(path))])];
  return {
    // What lies in a directory that is taken anyway is not taken twice.
    paths: paths.filter((path) => !paths.some((other) => other !== path && within(path, other))),
    skipped: [...new Set(mounted.filter(isHosts))].map(
      (path) => `${path}: more than configuration, mounted read-only, not copied`,
    ),
  };
}

function readOnlyMounts(stack: Stack): string[] {
  const actual = stack.containers.flatMap(({ mounts }) =>
    mounts.filter(({ type, writable }) => type === "bind" && !writable).map(({ source }) => source),
  );
  const declared = Object.values(stack.model.services).flatMap(({ volumes }) =>
    (volumes ?? [])
      .filter(({ type, read_only }) => type === "bind" && read_only === true)
      .map(({ source }) => source ?? ""),
  );
  return [...actual, ...declared].filter(isAbsolute).map((path) => resolve(path));
}

function sources(stack: Stack, kind: "secrets" | "configs"): string[] {
  return Object.values(stack.model[kind] ?? {}).flatMap(({ file }) =>
    typeof file === "string" ? [resolve(stack.directory, file)] : [],
  );
}

function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory + sep);
}
