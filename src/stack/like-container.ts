import type { ContainerCreateOptions, ContainerInspectInfo, EndpointSettings } from "dockerode";

/** A volume without a name in the compose file: one that an image declares, or `- /data`. */
export interface AnonymousVolume {
  /** The name that the engine gave it. */
  readonly volume: string;
  /** Where the container has it. */
  readonly target: string;
}

/** The engine's answer, with members that the types of dockerode do not have. */
export type Inspected = ContainerInspectInfo & {
  readonly HostConfig: {
    readonly UTSMode?: string;
    readonly Mounts?: readonly EngineMount[] | null;
  };
  readonly ImageManifestDescriptor?: {
    readonly platform?: { readonly os: string; readonly architecture: string };
  };
};

interface EngineMount {
  readonly Type: string;
  readonly Source?: string;
  readonly Target: string;
}

/**
 * What creates the same container again with other volumes; `networks` are those that it joins afterwards. What the
 * engine filled in by itself and would not accept again is left out.
 */
export function likeContainer(
  info: Inspected,
  carried: readonly AnonymousVolume[],
): ContainerCreateOptions & {
  readonly networks: readonly (readonly [string, EndpointSettings])[];
} {
  const { Config, HostConfig } = info;
  const { NetworkMode: mode = "" } = HostConfig;
  const isJoined = mode.startsWith("container:");
  const { Hostname, ExposedPorts, Entrypoint, ...config } = Config;
  const isOwnHostname = !isJoined && HostConfig.UTSMode !== "host" && !isShortId(Hostname, info);
  const endpoints = Object.entries(info.NetworkSettings.Networks ?? {}).map(
    ([name, endpoint]) => [name, endpointOf(endpoint, info)] as const,
  );
  const [first] = endpoints.filter(([name]) => name === mode);
  const platform = info.ImageManifestDescriptor?.platform;
  return {
    ...config,
    ...(isOwnHostname ? { Hostname } : {}),
    ...(isJoined ? {} : { ExposedPorts }),
    // Without one the engine would take the image's; the empty text means none.
    Entrypoint: Entrypoint ?? [""],
    HostConfig: { ...HostConfig, Mounts: mountsOf(info, carried) } as never,
    ...(first === undefined || isDefaultNetwork(mode)
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [first[0]]: first[1] } } }),
    ...(platform === undefined ? {} : { platform: `${platform.os}/${platform.architecture}` }),
    networks: endpoints.filter(([name]) => name !== mode && !isDefaultNetwork(name)),
  };
}

function mountsOf({ HostConfig, Mounts }: Inspected, carried: readonly AnonymousVolume[]) {
  const at = (target: string) => carried.find((one) => isSamePlace(one.target, target))?.volume;
  const given = (HostConfig.Mounts ?? []).map((mount) => {
    const volume = mount.Type === "volume" ? at(mount.Target) : undefined;
    return volume === undefined ? mount : { ...mount, Source: volume };
  });
  const added = carried
    .filter(({ target }) => !given.some(({ Target }) => isSamePlace(Target, target)))
    .map(({ volume, target }) => {
      const isWritable =
        Mounts.find(({ Destination }) => isSamePlace(Destination, target))?.RW !== false;
      return { Type: "volume", Source: volume, Target: target, ReadOnly: !isWritable };
    });
  return [...given, ...added];
}

/** The part of a network's answer that was asked for. */
function endpointOf(
  endpoint: ContainerInspectInfo["NetworkSettings"]["Networks"][string],
  info: Inspected,
): EndpointSettings {
  const { IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority } =
    endpoint as EndpointSettings & { readonly GwPriority?: number };
  return {
    ...{ IPAMConfig, Links, DriverOpts },
    Aliases: (Aliases ?? []).filter((one) => !isShortId(one, info)),
    ...(MacAddress ? { MacAddress } : {}),
    ...(GwPriority === undefined ? {} : { GwPriority }),
  } as EndpointSettings;
}

/** Networks on which an alias is refused, and those that are none. */
function isDefaultNetwork(name: string): boolean {
  return ["default", "bridge", "host", "none"].includes(name) || name.startsWith("container:");
}

function isShortId(text: string, { Id }: Pick<Inspected, "Id">): boolean {
  return text.length >= 12 && Id.startsWith(text);
}

/** One line of `docker diff`: 0 is a change, 1 an added path, 2 a removed one. */
export interface Change {
  readonly Path: string;
  readonly Kind: number;
}

/** The outermost paths that were added or changed by themselves; places of mounts are none. */
export function injectedPaths(changes: readonly Change[], targets: readonly string[]): string[] {
  const isIn = (path: string, directory: string) =>
    path === directory || path.startsWith(`${directory}/`);
  const own = changes.filter(
    ({ Path, Kind }) =>
      Kind !== 2 &&
      !targets.some((target) => isIn(target, Path) || isIn(Path, target)) &&
      !(Kind === 0 && changes.some((other) => other.Path !== Path && isIn(other.Path, Path))),
  );
  return own
    .map(({ Path }) => Path)
    .filter((path) => !own.some((other) => other.Path !== path && isIn(path, other.Path)));
}

/** Whether two paths in a container are one. */
export function isSamePlace(a: string, b: string): boolean {
  return withoutSlash(a) === withoutSlash(b);
}

function withoutSlash(path: string): string {
  return path.replace(/(.)\/+$/, "$1");
}
