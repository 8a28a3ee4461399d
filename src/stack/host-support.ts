import type { OwnContainer } from "./engine.ts";
import { olderThan } from "./older-than.ts";

/** The oldest supported engine: 20.10 has the exec, update and import calls and the security options used here. */
const oldestEngine = "20.10";
/** The oldest supported Compose: 2.20 introduced `include`, so an older one would read other files. */
const oldestCompose = "2.20";

/** What the engine reports about itself: the members of `GET /info` and `GET /version` that are checked. */
export interface HostFacts {
  readonly engineVersion: string;
  /** Empty if the Compose plugin is missing. */
  readonly composeVersion: string;
  readonly operatingSystem: string;
  readonly osType: string;
  readonly kernel: string;
  /** Kernel release of the machine on which this process runs. */
  readonly ownKernel: string;
  readonly securityOptions: readonly string[];
  /** Names of the version components: `Engine`, or `Podman Engine`. */
  readonly components: readonly string[];
  readonly dockerRoot: string;
  /** This process runs in a container and the engine outside: the same path may mean different files for them. */
  readonly inContainer: boolean;
  /** That container, if it is made from the program's own image. */
  readonly own?: OwnContainer | undefined;
}

/** Why a host is not supported. */
interface Refusal {
  readonly class: string;
  readonly message: string;
  readonly hint: string;
}

/** The first reason why a host is not supported, or undefined if it is supported. */
export function judgeHost(facts: HostFacts): Refusal | undefined {
  const refuse = (name: string, message: string, hint: string) => ({ class: name, message, hint });
  const options = facts.securityOptions.map((option) => option.replace(/^name=/, "").split(",")[0]);
  if (facts.components.some((name) => /podman/i.test(name)))
    return refuse(
      "podman",
      "podman is not supported, only Docker Engine is",
      "Point DOCKER_HOST at a Docker Engine.",
    );
  if (/docker desktop/i.test(facts.operatingSystem))
    return refuse(
      "docker-desktop",
      "Docker Desktop is not supported: its volumes live inside a virtual machine",
      "Run the stack and this tool on a Linux host with Docker Engine.",
    );
  if (facts.osType !== "linux")
    return refuse(
      "not-linux",
      `an engine for ${facts.osType} containers is not supported`,
      "Use a Linux host with Docker Engine.",
    );
  if (options.includes("rootless"))
    return refuse(
      "rootless",
      "a rootless engine is not supported: it maps the owners of the data to other user ids",
      "Use the system's Docker Engine.",
    );
  if (options.includes("userns"))
    return refuse(
      "userns-remap",
      "an engine with userns-remap is not supported: it maps the owners of the data to other user ids",
      "Remove `userns-remap` from the engine's configuration.",
    );
  if (facts.kernel !== facts.ownKernel)
    return refuse(
      "remote-engine",
      `the engine runs on another machine (kernel ${facts.kernel}, here ${facts.ownKernel})`,
      "Run this on the host of the stack.",
    );
  if (facts.inContainer && facts.own === undefined)
    return refuse(
      "in-container",
      "sophon-keeper runs inside a container, where paths are not those of the host",
      "Run it on the host itself, with a runner that is not a container, or from its own image.",
    );
  if (facts.own?.hasHostNamespaces === false)
    return refuse(
      "in-container",
      "the container of sophon-keeper does not have the processes and the network of the host",
      "Start it with --pid host --network host.",
    );
  if (olderThan(facts.engineVersion, oldestEngine))
    return refuse(
      "old-engine",
      `Docker Engine ${facts.engineVersion} is too old`,
      `Update it to ${oldestEngine} or newer.`,
    );
  if (facts.composeVersion === "")
    return refuse(
      "no-compose",
      "the Compose plugin (`docker compose`) is missing",
      "Install docker-compose-plugin.",
    );
  if (olderThan(facts.composeVersion, oldestCompose))
    return refuse(
      "old-compose",
      `Docker Compose ${facts.composeVersion} is too old`,
      `Update it to ${oldestCompose} or newer.`,
    );
  return undefined;
}
