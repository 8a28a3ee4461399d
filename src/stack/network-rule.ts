import type { ContainerFacts } from "./container-facts.ts";
import type { Expected, Property, Rule } from "./definition-property.ts";
import { listOf } from "./definition-values.ts";

/** Published ports, as `address:port->port/protocol`. */
export const portRule: Rule = {
  keys: ["ports"],
  read: ({ service }, { info }) => {
    const given = (service.ports ?? []) as readonly Readonly<Record<string, unknown>>[];
    const wanted = given.map(
      ({ host_ip: address = "", published = "", target, protocol = "tcp" }) =>
        `${address}:${published}->${target}/${protocol}`,
    );
    const bound = (info.HostConfig.PortBindings ?? {}) as Readonly<
      Record<string, readonly { HostIp?: string; HostPort?: string }[] | null>
    >;
    const actual = Object.entries(bound).flatMap(([target, all]) =>
      (all ?? []).map(({ HostIp: address = "", HostPort: port = "" }) => {
        return `${address}:${port === "0" ? "" : port}->${target}`;
      }),
    );
    return [{ path: "ports", wanted: listOf(wanted), actual: listOf(actual) }];
  },
};

type Endpoint = Readonly<Record<string, unknown>> | null;

/** The networks of a container, its names and fixed addresses in them; or the network that it shares. */
export const networkRule: Rule = {
  keys: ["networks", "network_mode", "links", "external_links", "mac_address"],
  read: (expected, facts) => {
    const { service } = expected;
    return typeof service.network_mode === "string"
      ? modeOf(expected, facts)
      : networksOf(expected, facts);
  },
};

function modeOf({ service, idsOf }: Expected, { info, joined }: ContainerFacts): Property[] {
  const wanted = String(service.network_mode);
  const actual = info.HostConfig.NetworkMode ?? "";
  const [, kind, name = ""] = /^(service|container):(.+)$/.exec(wanted) ?? [];
  const isJoined = actual.startsWith("container:");
  if (kind === undefined || !isJoined) return [{ path: "network_mode", wanted, actual }];
  const id = actual.slice("container:".length);
  // A provider that is gone cannot be named any more.
  if (joined[id] === undefined) return [];
  const isRight =
    kind === "service" ? idsOf(name).includes(id) : joined[id] === name || id.startsWith(name);
  return isRight ? [] : [{ path: "network_mode", wanted, actual: `container:${joined[id]}` }];
}

function networksOf({ service, model, name: own }: Expected, { info }: ContainerFacts): Property[] {
  const given = Object.entries((service.networks ?? { default: null }) as Record<string, Endpoint>);
  const wanted = new Map(
    given.map(([name, endpoint]) => [String(model.networks?.[name]?.name ?? name), endpoint]),
  );
  const actual = info.NetworkSettings.Networks ?? {};
  const names: Property = {
    path: "networks",
    wanted: listOf([...wanted.keys()]),
    actual: listOf(Object.keys(actual)),
  };
  const links = listOf([...listOf(service.links), ...listOf(service.external_links)]).map(
    (link) => link.split(":").at(-1) ?? link,
  );
  const implied = new Set([own, info.Name.slice(1), info.Id.slice(0, 12)]);
  const each = [...wanted].flatMap(([name, endpoint]): Property[] => {
    const has = actual[name] as
      | {
          Aliases?: string[] | null;
          Links?: string[] | null;
          MacAddress?: string;
          IPAMConfig?: Record<string, string> | null;
        }
      | undefined;
    if (has === undefined) return [];
    const isNamed = (alias: string) => !implied.has(alias);
    const linked = (has.Links ?? []).map((link) => link.split(":").at(-1));
    const mac = endpoint?.mac_address ?? service.mac_address;
    const property = (key: string, wants: unknown, is: unknown): Property => ({
      path: `networks.${name}.${key}`,
      wanted: wants,
      actual: is,
    });
    return [
      property(
        "aliases",
        listOf(endpoint?.aliases).filter(isNamed),
        listOf(has.Aliases).filter(isNamed),
      ),
      property("ipv4_address", endpoint?.ipv4_address ?? "", has.IPAMConfig?.IPv4Address ?? ""),
      property("ipv6_address", endpoint?.ipv6_address ?? "", has.IPAMConfig?.IPv6Address ?? ""),
      property(
        "links",
        links,
        links.filter((link) => linked.includes(link)),
      ),
      ...(typeof mac === "string"
        ? [property("mac_address", mac.toLowerCase(), macOf(info, has.MacAddress))]
        : []),
    ];
  });
  return [names, ...each];
}

/** The address in the network while the container runs; else the one that it was created with. */
function macOf({ Config }: ContainerFacts["info"], inNetwork: string | undefined): string {
  return (inNetwork || Config.MacAddress || "").toLowerCase();
}
