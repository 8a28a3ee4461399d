import { isAbsolute, resolve, sep } from "node:path";
import { placeOf, type Stack } from "../../model/stack.ts";
import { referencedFiles } from "./references.ts";

/** Whole trees of the host. An agent or a proxy may mount them, but they are not configuration of the stack. */
const HOST_TREES = new Set([
  ..."/ /bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv".split(
    " ",
  ),
  ..."/sys /tmp /usr /var /var/lib /var/lib/docker /var/log /var/run".split(" "),
]);
const HOST_PREFIXES = ["/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/var/lib/docker/"];

/** The files that belong to a stack besides its data. */
interface StackRoots {
  /** Absolute paths of files and directories. */
  readonly paths: readonly string[];
  /** The mounts that are left out, one line each. */
  readonly skipped: readonly string[];
}

/**
 * All files that a bare host needs to run the stack: compose files and their includes, env files, the files of
 * `secrets:` and `configs:`, and read-only mounts.
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
    // Leave out paths inside a directory that is included anyway.
    paths: paths.filter((path) => !paths.some((other) => other !== path && within(path, other))),
    skipped: [...new Set(mounted.filter(isHosts))].map(
      (path) => `${path}: mounted read-only but not only configuration: not copied`,
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
