import type { ContainerInspectInfo, ImageInspectInfo } from "dockerode";
import type { Engine } from "./engine.ts";
import { inspectContainer, orMissing } from "./inspect.ts";

type Inspected = ContainerInspectInfo["HostConfig"];

/** Members of the engine's answer that the types of dockerode do not have. */
interface MoreHostConfig {
  readonly Annotations?: Readonly<Record<string, string>> | null;
  readonly CgroupnsMode?: string;
  readonly DeviceRequests?: readonly unknown[] | null;
  readonly Init?: boolean | null;
  readonly Mounts?:
    | readonly {
        readonly Target: string;
        readonly VolumeOptions?: { readonly Subpath?: string };
      }[]
    | null;
  readonly Runtime?: string;
}

/** What the engine knows of a container's definition. */
export interface ContainerFacts {
  readonly info: Omit<ContainerInspectInfo, "HostConfig" | "Config"> & {
    readonly HostConfig: Inspected & MoreHostConfig;
    readonly Config: ContainerInspectInfo["Config"] & {
      readonly Healthcheck?: EngineHealthcheck | null;
      readonly StopTimeout?: number | null;
      readonly StopSignal?: string;
      readonly MacAddress?: string;
    };
  };
  /** The defaults of its image; undefined if the image is gone. */
  readonly image:
    | (ImageInspectInfo["Config"] & {
        readonly Healthcheck?: EngineHealthcheck | null;
        readonly StopSignal?: string;
      })
    | undefined;
  /** The names of the containers whose namespaces it joins, by id. One that is gone is absent. */
  readonly joined: Readonly<Record<string, string>>;
}

/** A health check as the engine has it; durations in nanoseconds. */
export interface EngineHealthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** Reads them. @returns undefined if the container does not exist. */
export async function containerFacts(
  engine: Pick<Engine, "docker">,
  container: string,
): Promise<ContainerFacts | undefined> {
  const info = await orMissing(engine.docker.getContainer(container).inspect());
  if (info === undefined) return undefined;
  const image = await orMissing(engine.docker.getImage(info.Image).inspect());
  const { NetworkMode, PidMode, IpcMode } = info.HostConfig;
  const joined: Record<string, string> = {};
  for (const mode of [NetworkMode, PidMode, IpcMode]) {
    if (mode?.startsWith("container:") !== true) continue;
    const id = mode.slice("container:".length);
    const other = await inspectContainer(engine, id);
    if (other !== undefined) joined[id] = other.state.name;
  }
  return { info, image: image?.Config, joined } as ContainerFacts;
}
