import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { ComposeService } from "../model/stack.ts";
import type { Engine } from "./engine.ts";
import { composeLabels } from "./labels.ts";

/** A host port that a container publishes. */
export interface PublishedPort {
  /** Empty means every address. */
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** The container that holds a port or a name. */
export interface Holder {
  readonly container: string;
  /** Its Compose project; empty for a container without one. */
  readonly project: string;
}

/** The ports that Compose publishes for a service. Ports that the engine chooses are left out: they are always free. */
export function publishedBy({ ports }: ComposeService): PublishedPort[] {
  return ((ports ?? []) as readonly Readonly<Record<string, unknown>>[]).flatMap((one) =>
    toPorts(String(one.host_ip ?? ""), String(one.published ?? ""), String(one.protocol ?? "tcp")),
  );
}

/** The ports that a container publishes while it runs. */
export async function publishedOf(
  engine: Pick<Engine, "docker">,
  container: string,
): Promise<PublishedPort[]> {
  const { HostConfig } = await engine.docker.getContainer(container).inspect();
  const bindings = (HostConfig.PortBindings ?? {}) as Record<
    string,
    { HostIp?: string; HostPort?: string }[] | null
  >;
  return Object.entries(bindings).flatMap(([target, hosts]) =>
    (hosts ?? []).flatMap(({ HostIp = "", HostPort = "" }) =>
      toPorts(HostIp, HostPort, target.split("/")[1] ?? "tcp"),
    ),
  );
}

/**
 * The holder of a port: a running container of another project, or an unnamed program of this host.
 *
 * @returns undefined if the port appears to be free.
 */
export async function holderOfPort(
  engine: Pick<Engine, "docker">,
  project: string,
  wanted: PublishedPort,
): Promise<Holder | "program" | undefined> {
  for (const { Labels, Names, Id, Ports } of await engine.docker.listContainers()) {
    if (Labels[composeLabels.project] === project) continue;
    const clashes = Ports.some(
      ({ IP = "", PublicPort, Type }) =>
        PublicPort === wanted.port && Type === wanted.protocol && overlap(IP, wanted.address),
    );
    if (clashes) return holderOf(Labels, Names[0]?.slice(1) ?? Id);
  }
  return (await isBound(wanted)) ? "program" : undefined;
}

/** The container of another project with this name, running or not. */
export async function holderOfName(
  engine: Pick<Engine, "docker">,
  project: string,
  name: string,
): Promise<Holder | undefined> {
  const all = await engine.docker.listContainers({ all: true });
  const found = all.find(({ Names }) => Names.includes(`/${name}`));
  if (found === undefined || found.Labels[composeLabels.project] === project) return undefined;
  return holderOf(found.Labels, name);
}

/**
 * The other Compose project that owns a network; empty for a network that Compose did not create.
 *
 * @returns undefined if there is no such network, or if a container of this project is already connected to it.
 */
export async function holderOfNetwork(
  engine: Pick<Engine, "docker">,
  project: string,
  name: string,
): Promise<string | undefined> {
  const all = await engine.docker.listNetworks({ filters: { name: [name] } });
  // The filter also matches parts of names.
  const found = all.find(({ Name }) => Name === name);
  const holder = found?.Labels?.[composeLabels.project] ?? "";
  if (found === undefined || holder === project) return undefined;
  const label = [`${composeLabels.project}=${project}`];
  const own = await engine.docker.listContainers({ all: true, filters: { label } });
  const isJoined = own.some(({ NetworkSettings }) => name in NetworkSettings.Networks);
  return isJoined ? undefined : holder;
}

function holderOf(labels: Readonly<Partial<Record<string, string>>>, container: string): Holder {
  return { container, project: labels[composeLabels.project] ?? "" };
}

function toPorts(address: string, published: string, protocol: string): PublishedPort[] {
  const port = Number(published);
  // The engine chooses a free port from a range.
  if (!Number.isInteger(port) || port === 0) return [];
  return protocol === "tcp" || protocol === "udp" ? [{ address, port, protocol }] : [];
}

/** Whether two sockets with these addresses cannot listen on the same port. */
function overlap(one: string, other: string): boolean {
  if (one === other || one === "" || other === "") return true;
  const isSix = (address: string) => address.includes(":");
  if (isSix(one) !== isSix(other)) return false;
  return ["0.0.0.0", "::"].some((any) => one === any || other === any);
}

/** Whether a program listens on a port. An address that is not of this machine counts as free. */
async function isBound({ address, port, protocol }: PublishedPort): Promise<boolean> {
  const host = address === "" ? "0.0.0.0" : address;
  return await new Promise((resolve) => {
    const isTaken = (error: NodeJS.ErrnoException) => resolve(error.code === "EADDRINUSE");
    if (protocol === "tcp") {
      const server = createServer().on("error", isTaken);
      server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(false)));
    } else {
      const socket = createSocket(host.includes(":") ? "udp6" : "udp4").on("error", isTaken);
      socket.bind({ port, address: host, exclusive: true }, () =>
        socket.close(() => resolve(false)),
      );
    }
  });
}
