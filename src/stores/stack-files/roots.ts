import { lstat, realpath } from "node:fs/promises";
import { isAbsolute, resolve, sep } from "node:path";
import { placeOf, type Stack } from "../../model/stack.ts";
import { refuseHostFiles } from "./host-files.ts";
import { type NamedFile, referencedFiles } from "./references.ts";

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
  /** Files and directories, in the order in which they are found. Where a symbolic link leads is a file of its own. */
  readonly files: readonly NamedFile[];
  /** The mounts that are left out, one line each. */
  readonly skipped: readonly string[];
}

/**
 * All files that a bare host needs to run the stack: compose files and their includes, env files, the files of
 * `secrets:` and `configs:`, and read-only mounts.
 *
 * @throws RefusedError (class `host-file`) if one of them belongs to the host, and that is not allowed.
 */
export async function stackRoots(
  stack: Stack,
  repository: string,
  { includeHostFiles = false }: { readonly includeHostFiles?: boolean | undefined } = {},
): Promise<StackRoots> {
  const stores = stack.stores.map(placeOf);
  const leftOut = [...stores, ...stack.excluded.filter(isAbsolute)];
  const isLeftOut = ({ path }: NamedFile) => leftOut.some((place) => within(path, place));
  const mounted = readOnlyMounts(stack).filter((file) => !isLeftOut(file));
  const isHosts = ({ path }: NamedFile) =>
    HOST_TREES.has(path) ||
    HOST_PREFIXES.some((prefix) => path.startsWith(prefix)) ||
    [...stores, repository].some((inner) => within(inner, path));
  const own = [
    ...stack.composeFiles.map((path) => ({ path, by: "compose file" })),
    ...stack.envFiles.map((path) => ({ path, by: "env file" })),
    ...(await referencedFiles(stack)),
    ...sources(stack, "secrets"),
    ...sources(stack, "configs"),
  ].filter((file) => !isLeftOut(file));
  const all = [...own, ...mounted.filter((file) => !isHosts(file))];
  const named = all.filter(({ path }, at) => all.findIndex((one) => one.path === path) === at);
  // Leave out paths inside a directory that is included anyway.
  const outer = named.filter(
    ({ path }) => !named.some((other) => other.path !== path && within(path, other.path)),
  );
  const files = await withTargets(outer);
  if (!includeHostFiles) await refuseHostFiles(files, stack.directory);
  return {
    files,
    skipped: [...new Set(mounted.filter(isHosts).map(({ path }) => path))].map(
      (path) => `${path}: mounted read-only but not only configuration: not copied`,
    ),
  };
}

/** Adds what symbolic links lead to: both are needed. */
async function withTargets(files: readonly NamedFile[]): Promise<NamedFile[]> {
  const all = new Map<string, NamedFile>();
  for (const file of files) {
    all.set(file.path, all.get(file.path) ?? file);
    const isLink = await lstat(file.path).then(
      (stats) => stats.isSymbolicLink(),
      () => false,
    );
    // A link that leads nowhere is found when it is copied.
    const path = isLink ? await realpath(file.path).catch(() => file.path) : file.path;
    all.set(path, all.get(path) ?? { path, by: file.by });
  }
  return [...all.values()];
}

function readOnlyMounts(stack: Stack): NamedFile[] {
  const actual = stack.containers.flatMap(({ service, mounts }) =>
    mounts
      .filter(({ type, writable }) => type === "bind" && !writable)
      .map(({ source }) => ({ path: source, by: `service ${service}: volumes` })),
  );
  const declared = Object.entries(stack.model.services).flatMap(([name, { volumes }]) =>
    (volumes ?? [])
      .filter(({ type, read_only }) => type === "bind" && read_only === true)
      .map(({ source }) => ({ path: source ?? "", by: `service ${name}: volumes` })),
  );
  return [...actual, ...declared]
    .filter(({ path }) => isAbsolute(path))
    .map(({ path, by }) => ({ path: resolve(path), by }));
}

function sources(stack: Stack, kind: "secrets" | "configs"): NamedFile[] {
  return Object.entries(stack.model[kind] ?? {}).flatMap(([name, { file }]) =>
    typeof file === "string"
      ? [{ path: resolve(stack.directory, file), by: `${kind.slice(0, -1)} ${name}` }]
      : [],
  );
}

function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory + sep);
}
