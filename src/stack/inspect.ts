import type { ContainerInspectInfo, VolumeInspectInfo } from "dockerode";
import type { ContainerState, Mount } from "../model/stack.ts";
import type { Engine } from "./engine.ts";
import { composeLabels } from "./labels.ts";

/** The state of a container, and the parts of the engine's answer that only discovery uses. */
export interface InspectedContainer {
  readonly state: ContainerState;
  /** Entrypoint and command of the container. */
  readonly argv: readonly string[];
  readonly createdAt: string;
}

type VolumeFacts = Pick<VolumeInspectInfo, "Driver" | "Options" | "Labels">;

/** @returns undefined if the container does not exist. */
export async function inspectContainer(
  engine: Pick<Engine, "docker">,
  container: string,
): Promise<InspectedContainer | undefined> {
  const info = await orMissing(engine.docker.getContainer(container).inspect());
  if (info === undefined) return undefined;
  const names = info.Mounts.flatMap(({ Name }) => (Name === undefined ? [] : [Name]));
  const volumes = new Map<string, VolumeFacts>();
  await Promise.all(
    names.map(async (name) => {
      const volume = await orMissing(engine.docker.getVolume(name).inspect());
      if (volume !== undefined) volumes.set(name, volume);
    }),
  );
  return {
    state: toContainerState(info, volumes),
    argv: [info.Path, ...info.Args],
    createdAt: info.Created,
  };
}

/** The answer, or undefined if the engine answers 404. */
export async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** The HTTP status of an engine error. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error ? (error as Error & { statusCode?: number }).statusCode : undefined;
}

/** Converts the engine's answer to the model. */
function toContainerState(
  info: ContainerInspectInfo,
  volumes: ReadonlyMap<string, VolumeFacts>,
): ContainerState {
  const { State: state, HostConfig: host, Config: config } = info;
  const policy = host.RestartPolicy;
  const retries = policy?.MaximumRetryCount ?? 0;
  const labels = config.Labels ?? {};
  const networks = Object.entries(info.NetworkSettings.Networks ?? {});
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ""),
    service: labels[composeLabels.service] ?? "",
    imageReference: config.Image,
    imageId: info.Image,
    state: state.Status as ContainerState["state"],
    health: healthOf(state),
    exitCode: state.ExitCode,
    restartPolicy: `${policy?.Name || "no"}${retries > 0 ? `:${retries}` : ""}`,
    restartCount: info.RestartCount,
    startedAt: state.StartedAt,
    hostname: config.Hostname,
    user: config.User,
    environment: Object.fromEntries((config.Env ?? []).map(splitVariable)),
    // The order in the engine's answers is not stable.
    mounts: [
      ...info.Mounts.map((mount) => toMount(mount, volumes)),
      ...tmpfsMounts(host.Tmpfs),
    ].toSorted((a, b) => (a.target < b.target ? -1 : 1)),
    addresses: Object.fromEntries(
      networks.flatMap(([name, { IPAddress, GlobalIPv6Address }]) => {
        const address = IPAddress || GlobalIPv6Address;
        return address ? [[name, address]] : [];
      }),
    ),
    logDriver: host.LogConfig?.Type ?? "",
    joins: joinsOf(host),
    ...stopTimeoutOf(config),
    labels,
  };
}

/** The containers whose namespaces this one joins, each once: it may join several namespaces of the same container. */
function joinsOf({ NetworkMode, PidMode, IpcMode }: ContainerInspectInfo["HostConfig"]): string[] {
  const prefix = "container:";
  const modes = [NetworkMode, PidMode, IpcMode].filter((mode) => mode?.startsWith(prefix) === true);
  return [...new Set(modes.map((mode = "") => mode.slice(prefix.length)))];
}

/** The types of dockerode do not have this field. */
function stopTimeoutOf(config: object) {
  const { StopTimeout: seconds } = config as { readonly StopTimeout?: number | null };
  return seconds === undefined || seconds === null ? {} : { stopTimeoutSeconds: seconds };
}

function toMount(
  mount: ContainerInspectInfo["Mounts"][number],
  volumes: ReadonlyMap<string, VolumeFacts>,
): Mount {
  const base = { source: mount.Source, target: mount.Destination, writable: mount.RW };
  if (mount.Type === "volume" && mount.Name !== undefined) {
    const facts = volumes.get(mount.Name);
    if (isInMemory(facts)) return inMemory(mount.Destination);
    const labels = facts?.Labels ?? {};
    const named = composeLabels.volume in labels;
    return {
      ...base,
      type: "volume",
      volume: mount.Name,
      anonymous:
        "com.docker.volume.anonymous" in labels || (!named && /^[0-9a-f]{64}$/.test(mount.Name)),
      plain: facts?.Driver === "local" && Object.keys(facts.Options ?? {}).length === 0,
    };
  }
  const type = mount.Type === "bind" || mount.Type === "tmpfs" ? mount.Type : "other";
  return { ...base, type, anonymous: false, plain: type === "bind" };
}

/** A volume with the options of a memory disk: it is empty again once no container has it mounted. */
function isInMemory(facts: VolumeFacts | undefined): boolean {
  return facts?.Driver === "local" && /^(?:tmpfs|ramfs)$/.test(facts.Options?.type ?? "");
}

function tmpfsMounts(tmpfs: Readonly<Record<string, string>> | undefined): Mount[] {
  return Object.keys(tmpfs ?? {}).map(inMemory);
}

function inMemory(target: string): Mount {
  return { type: "tmpfs", source: "", target, writable: true, anonymous: false, plain: false };
}

/**
 * Of a container that was paused the engine says `unhealthy` until its next health check, although none has failed: that
 * is no result, and another one comes soon.
 */
function healthOf({ Health, Running }: ContainerInspectInfo["State"]): ContainerState["health"] {
  const status = Health?.Status;
  if (status === "unhealthy") return Running && Health?.FailingStreak === 0 ? "starting" : status;
  return status === "healthy" || status === "starting" ? status : "none";
}

/** Splits `NAME=value`. A name without `=` is a variable without a value. */
export function splitVariable(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
