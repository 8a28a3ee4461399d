import { cloneKeys } from "../src/model/clone-keys.ts";
import { comparedKeys } from "../src/stack/definition-drift.ts";

/** What backup, clone, upgrade and restore do with one key. */
export type MatrixRow = readonly [backup: string, clone: string, upgrade: string, restore: string];

const same = "kept";
const compared = "kept, compared";
const hooks = "refused (`hooks`)";
const provider = "refused (`provider`)";
const asFiles = "from the files";

/** Where a key of a service is treated otherwise than its kind. */
const ofService: Readonly<
  Record<string, Partial<Record<"backup" | "upgrade" | "restore", string>>>
> = {
  build: { backup: "kept as text", upgrade: "refused without `image` (`built-here`)" },
  configs: { backup: "kept, with the files" },
  deploy: { upgrade: "kept, compared; as many containers as run" },
  env_file: { backup: "kept, with the files" },
  image: { backup: "kept: name, id, digest", upgrade: "changed", restore: "that of the backup" },
  label_file: { backup: "kept, with the files" },
  post_start: { upgrade: hooks, restore: hooks },
  pre_start: { upgrade: hooks, restore: hooks },
  pre_stop: { upgrade: hooks, restore: hooks },
  provider: { upgrade: provider, restore: provider },
  scale: { upgrade: "as many containers as run", restore: "as many as the backup knows" },
  secrets: { backup: "kept, with the files" },
  volumes: {
    backup: "kept, with the data",
    upgrade: compared,
    restore: "from the files; data from the backup",
  },
};

/** Why a key of a service is not compared with what runs. */
export const notCompared: Readonly<Record<string, string>> = {
  annotations: "hints for the runtime; older Compose ignores them",
  attach: "nothing of a container",
  blkio_config: "the engine discards it where the host lacks it",
  build: "nothing of a container",
  depends_on: "read from the files each time",
  develop: "nothing of a container",
  expose: "only a note",
  extends: "resolved by Compose",
  image: "the upgrade itself",
  models: "Compose passes it as environment",
  platform: "the image decides",
  post_start: "refused",
  pre_start: "refused",
  pre_stop: "refused",
  profiles: "nothing of a container",
  provider: "refused",
  pull_policy: "nothing is pulled by a start",
  pull_refresh_after: "nothing is pulled by a start",
  scale: "the containers are counted",
  umask: "the engine does not tell it",
};

function service(key: string): MatrixRow {
  const own = ofService[key] ?? {};
  const upgrade = own.upgrade ?? (comparedKeys.has(key) ? compared : same);
  return [own.backup ?? same, cloneText(key), upgrade, own.restore ?? asFiles];
}

/** How the table of the clone reads. */
function cloneText(key: string): string {
  const treatment = cloneKeys[key];
  if (treatment === undefined || treatment === "kept") return treatment ?? "dropped: not known";
  if ("rebuilt" in treatment) return `rebuilt: ${treatment.rebuilt}`;
  return "dropped" in treatment ? `dropped: ${treatment.dropped}` : `no use: ${treatment.unused}`;
}

const row = (clone: string, upgrade = compared, backup = same, restore = asFiles): MatrixRow => [
  ...([backup, clone, upgrade, restore] as const),
];
const ownAddresses = "dropped: the clone has addresses of its own";
const grant = { gid: row("dropped: readable by all", same), mode: row("dropped: 0444", same) };
const grants: Readonly<Record<string, MatrixRow>> = {
  ...grant,
  ...{ source: row("kept"), target: row("kept"), uid: row("dropped: readable by all", same) },
};
const swarm = row("no use: Swarm only", same);
const plainVolume = row("rebuilt: a plain volume", "kept: no volume is made anew");
const ownNetwork = row(
  "rebuilt: an internal network of the clone",
  "kept: no network is made anew",
);
const content = (text: string, backup = same) => row(text, compared, backup);

/** Every key of the Compose specification, by section. A test compares the names with the schema's. */
export const composeMatrix: Readonly<Record<string, Readonly<Record<string, MatrixRow>>>> = {
  "": {
    configs: row("see below"),
    include: row("no use: resolved", same, "kept, with the files"),
    jobs: row("dropped: not started", "kept, not started"),
    models: row("dropped: outside of the stack", same),
    name: row("rebuilt: a name of its own", same),
    networks: row("see below"),
    secrets: row("see below"),
    services: row("see below"),
    version: row("no use: obsolete", same),
    volumes: row("see below"),
  },
  services: Object.fromEntries(Object.keys(cloneKeys).map((key) => [key, service(key)])),
  "services.configs": grants,
  "services.secrets": grants,
  "services.depends_on": {
    condition: row("kept", "kept: started in this order"),
    required: row("rebuilt: the services that the clone has", same),
    restart: row("no use", "kept: restarted with its dependency"),
  },
  "services.deploy": {
    ...{ endpoint_mode: swarm, mode: swarm, placement: swarm, labels: swarm },
    ...{ rollback_config: swarm, update_config: swarm },
    replicas: row("no use: one container shows it", "as many containers as run"),
    resources: row("rebuilt: limits; devices dropped: they would reach the host"),
    restart_policy: row("no use: a clone's container that ends has failed"),
  },
  "services.healthcheck": {
    ...{ disable: row("kept"), test: row("kept"), timeout: row("kept") },
    interval: row("rebuilt: each second"),
    retries: row("rebuilt: as patient as before"),
    start_interval: row("kept"),
    start_period: row("rebuilt: as patient as before"),
  },
  "services.networks": {
    aliases: row("kept"),
    ...{ driver_opts: row(ownAddresses, same), interface_name: row(ownAddresses, same) },
    ...{ ipv4_address: row(ownAddresses), ipv6_address: row(ownAddresses) },
    ...{ link_local_ips: row(ownAddresses, same), mac_address: row(ownAddresses) },
    gw_priority: row("no use: no way outside", same),
    priority: row("no use", same),
    use_service_name_alias: row("kept: every service has its name", same),
  },
  "services.ports": Object.fromEntries(
    ["app_protocol", "host_ip", "mode", "name", "protocol", "published", "target"].map((key) => [
      key,
      row(
        "no use: nothing is published",
        ["app_protocol", "mode", "name"].includes(key) ? same : compared,
      ),
    ]),
  ),
  "services.volumes": {
    bind: row("rebuilt: no propagation", same),
    consistency: row("no use", same),
    image: row("dropped: not in the backup", same),
    read_only: row("kept"),
    source: row("rebuilt: a fresh volume, or a read-only copy"),
    target: row("kept"),
    tmpfs: row("kept"),
    type: row("rebuilt: `volume` with the backup's data; `bind` for copies; `tmpfs` kept"),
    volume: row("kept: `subpath`"),
  },
  networks: Object.fromEntries(
    [
      ...["attachable", "driver", "driver_opts", "enable_ipv4", "enable_ipv6", "external"],
      ...["internal", "ipam", "labels", "name"],
    ].map((key) => [key, ownNetwork]),
  ),
  volumes: Object.fromEntries(
    ["driver", "driver_opts", "external", "labels", "name"].map((key) => [key, plainVolume]),
  ),
  secrets: {
    ...{ driver: swarm, driver_opts: swarm, external: swarm, template_driver: swarm },
    environment: content("kept, if the variable is in an env file", "kept, with the env files"),
    file: row("kept", compared, "kept, with the file"),
    ...{ labels: swarm, name: row("no use", same) },
  },
  configs: {
    content: content("kept"),
    environment: content("kept, if the variable is in an env file", "kept, with the env files"),
    file: row("kept", compared, "kept, with the file"),
    ...{ external: swarm, template_driver: swarm, labels: swarm, name: row("no use", same) },
  },
};

/** The tables of `docs/compose.md`, by section. */
export function matrixTables(
  table: (head: readonly string[], rows: readonly (readonly string[])[]) => string,
): string {
  return Object.entries(composeMatrix)
    .map(([section, keys]) => {
      const rows = Object.entries(keys).toSorted(([a], [b]) => (a < b ? -1 : 1));
      const head = ["key", "backup", "clone", "upgrade", "restore"];
      const body = rows.map(([key, cells]) => [`\`${key}\``, ...cells]);
      return `### ${section === "" ? "Top level" : `\`${section}\``}\n\n${table(head, body)}`;
    })
    .join("\n\n");
}
