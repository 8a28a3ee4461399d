import { resolve, sep } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { realPath } from "../../core/real-path.ts";
import type { Reporter } from "../../core/reporter.ts";
import { reachesOut } from "../../model/clone-keys.ts";
import type { ComposeModel, ComposeService } from "../../model/stack.ts";
import type { NamedFile } from "../../stores/stack-files/references.ts";

/** What a restored stack is about to be. */
interface StackToBe {
  readonly model: ComposeModel;
  /** The project directory on this host. */
  readonly directory: string;
  /** Whether a person named the directory; else it comes from the backup. */
  readonly isDirectoryGiven: boolean;
  /** The files and directories that are written, on this host. */
  readonly paths: readonly string[];
}

/** A project in one of these would own what belongs to the system. */
const systemTrees =
  /^\/(?:$|(?:bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|usr|root\/\.ssh|var\/(?:lib\/(?:docker|containerd|systemd|dpkg)|run|spool))(?:\/|$)|(?:home|media|mnt|opt|root|srv|tmp|var|var\/lib)\/?$)/;
const engineSocket = /\/(?:docker|containerd|podman|crio)[\w.-]*\.sock$|^\/(?:var\/)?run\/?$/;
const namespaces = ["network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup"];
/** Members of a service that give it something of the host, whatever is in them, beside {@link reachesOut}. */
const givers = ["cap_add", "credential_spec", "security_opt", "sysctls", "volumes_from"];

/**
 * Everything by which a stack reaches beyond its project directory and its own volumes, one line each: files elsewhere,
 * mounts of the host, the engine's socket, privileges, namespaces and devices of the host.
 */
export function hostAccess({ model, directory, isDirectoryGiven, paths }: StackToBe): string[] {
  const isOutside = (path: string) => !`${resolve(path)}${sep}`.startsWith(`${directory}${sep}`);
  const isSystem = !isDirectoryGiven && systemTrees.test(directory);
  const files = ["secrets", "configs"].flatMap((kind) =>
    Object.entries(model[kind] ?? {}).flatMap(([name, one]) => {
      const { file } = one as { file?: unknown };
      return typeof file === "string" && isOutside(file) ? [`${kind} ${name}: ${file}`] : [];
    }),
  );
  const volumes = Object.entries(model.volumes ?? {}).flatMap(([name, volume]) => {
    const options = (volume?.driver_opts ?? {}) as { device?: unknown; type?: unknown };
    const device = typeof options.device === "string" ? options.device : undefined;
    const isLocal = device?.startsWith("/") === true && isOutside(device);
    const isGivenDevice = isLocal || (device !== undefined && !device.startsWith("/"));
    return [
      ...partsOf(volume, ["local"]).map((what) => `volume ${name}: ${what}`),
      ...(isGivenDevice ? [`volume ${name}: ${device}`] : []),
    ];
  });
  const networks = Object.entries(model.networks ?? {}).flatMap(([name, network]) =>
    partsOf(network, ["bridge", "overlay", "none"]).map((what) => `network ${name}: ${what}`),
  );
  return [
    ...(isSystem ? [`the project directory is ${directory}`] : []),
    ...paths.filter(isOutside).map((path) => `a file outside of the project directory: ${path}`),
    ...Object.entries(model.services).flatMap(([name, service]) =>
      accessOf(service, isOutside).map((line) => `service ${name}: ${line}`),
    ),
    ...insideOthers(model).map(
      ([path, other]) =>
        `mounts ${path}, which a link in the mounted ${other} could lead elsewhere`,
    ),
    ...files,
    ...volumes,
    ...networks,
  ];
}

/**
 * Files outside of the project directory that Compose reads for its definition, one line each: their content is given to
 * containers, as variables, labels or commands.
 */
export function readOutside(files: readonly NamedFile[], directory: string): string[] {
  const project = realPath(directory);
  return files
    .filter(({ path }) => !`${realPath(path)}${sep}`.startsWith(`${project}${sep}`))
    .map(({ path, by }) => `${by} reads ${path} of the host`);
}

/** Each host path that containers get and that lies inside a directory that they get, too. */
function insideOthers(model: ComposeModel): (readonly [path: string, other: string])[] {
  const binds = Object.values(model.services).flatMap(({ volumes }) =>
    (volumes ?? []).flatMap(({ type, source = "" }) => (type === "bind" ? [resolve(source)] : [])),
  );
  const files = ["secrets", "configs"].flatMap((kind) =>
    Object.values(model[kind] ?? {}).flatMap((one) => {
      const { file } = one as { file?: unknown };
      return typeof file === "string" ? [resolve(file)] : [];
    }),
  );
  const devices = Object.values(model.volumes ?? {}).flatMap((volume) => {
    const { device } = (volume?.driver_opts ?? {}) as { device?: unknown };
    return typeof device === "string" && device.startsWith("/") ? [resolve(device)] : [];
  });
  const outer = [...new Set([...binds, ...devices])];
  return [...new Set([...binds, ...files, ...devices])].flatMap((path) => {
    const other = outer.find((one) => path.startsWith(`${one}/`));
    return other === undefined ? [] : [[path, other] as const];
  });
}

/** What a volume or network takes from beyond the stack: it is of somebody else, or made by another driver. */
function partsOf(
  part: Readonly<Record<string, unknown>> | null | undefined,
  drivers: readonly string[],
): string[] {
  const { external, name, driver } = part ?? {};
  const isForeign = isGiven(driver) && !drivers.includes(String(driver));
  return [
    ...(isGiven(external) ? [`external, ${String(name)}`] : []),
    ...(isForeign ? [`driver ${String(driver)}`] : []),
  ];
}

function accessOf(service: ComposeService, isOutside: (path: string) => boolean): string[] {
  const hooks = [service.post_start, service.pre_stop].flatMap((one) => one ?? []);
  const isHookPrivileged = hooks.some((one) =>
    isGiven((one as { privileged?: unknown }).privileged),
  );
  const { deploy } = service as {
    deploy?: { resources?: { reservations?: { devices?: unknown } } };
  };
  const keys = Object.keys(service).filter((key) => reachesOut(key) || givers.includes(key));
  const mounts = (service.volumes ?? []).flatMap(({ type, source = "" }) => {
    if (type !== "bind" && type !== "npipe") return [];
    if (engineSocket.test(source)) return [`the engine's socket ${source}`];
    return isOutside(source) ? [`mounts ${source} of the host`] : [];
  });
  return [
    ...(isHookPrivileged ? ["a privileged hook"] : []),
    ...namespaces.flatMap((name) => namespaceOf(name, service[name])),
    ...keys.filter((key) => !namespaces.includes(key) && isGiven(service[key])),
    ...(isGiven(deploy?.resources?.reservations?.devices) ? ["devices"] : []),
    ...mounts,
  ];
}

/** A namespace of the host, or of a container that may be anybody's. */
function namespaceOf(name: string, value: unknown): string[] {
  if (value === "host") return [`${name} of the host`];
  return String(value).startsWith("container:") ? [`${name} of ${String(value)}`] : [];
}

const nothing = new Set<unknown>([undefined, false, "false", "", 0]);

function isGiven(value: unknown): boolean {
  if (value === null || nothing.has(value)) return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

/**
 * Lists what a restored stack reaches on the host, before the first write.
 *
 * @param untrusted - the backup is of unknown origin, and `allow-host-access` is not given
 * @throws RefusedError (class `host-access`) if it is untrusted and reaches anything.
 */
export function judgeHostAccess(
  reached: readonly string[],
  untrusted: boolean,
  reporter: Pick<Reporter, "info">,
): void {
  for (const line of reached) reporter.info(`reaches the host: ${line}`);
  if (!untrusted || reached.length === 0) return;
  const told = reached.slice(0, 12).join("; ");
  const more = reached.length > 12 ? `; and ${reached.length - 12} more` : "";
  throw new RefusedError(
    `the backup is of unknown origin, and its stack reaches beyond the project directory: ${told}${more}`,
    {
      class: "host-access",
      hint: "give allow-host-access if you know where the backup comes from and want all of this",
    },
  );
}
