/** What an isolated clone does with a key of a service. */
type CloneTreatment =
  /** Taken over as it is. */
  | "kept"
  /** Taken over in another form, or as far as it stays inside the clone; what is left out is told. */
  | { readonly rebuilt: string }
  /** Left out, and told: the service may need it. */
  | { readonly dropped: string }
  /** Left out, and not told: it does nothing inside a container. */
  | { readonly unused: string };

const ofHost = "it would reach the host";
const ofEngine = "it depends on this engine's own set-up";
const outside = "it would reach the world outside";
const addresses = "the clone has addresses of its own beside the live stack";
const windows = "it concerns Windows containers";
const limits = "the clone has limits of its own beside the live stack";

const kept = "kept" as const;
const dropped = (reason: string) => ({ dropped: reason }) as const;
const rebuilt = (how: string) => ({ rebuilt: how }) as const;
const unused = (why: string) => ({ unused: why }) as const;

/**
 * Every key of a service in the Compose specification. What is not listed here is dropped: a new key must be no way out
 * of a clone. A test holds the table against the specification's own schema.
 */
export const cloneKeys: Readonly<Record<string, CloneTreatment>> = {
  annotations: dropped(ofEngine),
  attach: unused("it concerns the terminal of `docker compose up`"),
  blkio_config: dropped(limits),
  build: unused("the image is there already"),
  cap_add: rebuilt("capabilities of an ordinary container, and IPC_LOCK, SYS_NICE, SYS_PTRACE"),
  cap_drop: kept,
  cgroup: dropped(ofHost),
  cgroup_parent: dropped(ofHost),
  command: kept,
  configs: rebuilt("read-only files from the backup"),
  container_name: rebuilt("an alias in the clone's networks"),
  cpu_count: dropped(windows),
  cpu_percent: dropped(windows),
  cpu_period: kept,
  cpu_quota: kept,
  cpu_rt_period: dropped(ofEngine),
  cpu_rt_runtime: dropped(ofEngine),
  cpu_shares: kept,
  cpus: kept,
  cpuset: dropped(ofEngine),
  credential_spec: dropped(windows),
  depends_on: rebuilt("the services that the clone has"),
  deploy: rebuilt("its limits"),
  develop: unused("it concerns `docker compose watch`"),
  device_cgroup_rules: dropped(ofHost),
  devices: dropped(ofHost),
  dns: rebuilt("the clone's own names only"),
  dns_opt: unused("no name outside is resolved"),
  dns_search: unused("no name outside is resolved"),
  domainname: kept,
  entrypoint: kept,
  env_file: rebuilt("its variables, in the environment"),
  environment: kept,
  expose: kept,
  extends: unused("Compose has resolved it"),
  external_links: dropped(outside),
  extra_hosts: rebuilt("names of the container itself"),
  gpus: dropped(ofHost),
  group_add: kept,
  healthcheck: rebuilt("asked each second, as patient as before"),
  hostname: rebuilt("kept, and an alias in the clone's networks"),
  image: rebuilt("the image of the backup, by its id"),
  init: kept,
  ipc: rebuilt("private, shareable, or that of a service of the clone"),
  isolation: dropped(windows),
  label_file: unused("labels are for others"),
  labels: unused("labels are for others, which must not act on a clone"),
  links: rebuilt("to services of the clone"),
  logging: unused("the clone's logs are read by this tool"),
  mac_address: dropped(addresses),
  mem_limit: kept,
  mem_reservation: kept,
  mem_swappiness: kept,
  memswap_limit: kept,
  models: dropped(outside),
  network_mode: rebuilt("none, or that of a service of the clone"),
  networks: rebuilt("internal networks of the clone, with the aliases"),
  oom_kill_disable: dropped(ofHost),
  oom_score_adj: dropped(ofHost),
  pid: rebuilt("that of a service of the clone"),
  pids_limit: kept,
  platform: kept,
  ports: unused("nothing of a clone is published"),
  post_start: kept,
  pre_start: dropped("its image is not in the backup"),
  pre_stop: kept,
  privileged: dropped(ofHost),
  profiles: unused("the clone has the services that the stack had"),
  provider: dropped(outside),
  pull_policy: unused("a clone pulls nothing"),
  pull_refresh_after: unused("a clone pulls nothing"),
  read_only: kept,
  restart: unused("a clone's container that ends has failed"),
  runtime: dropped(ofEngine),
  scale: unused("one container shows it"),
  secrets: rebuilt("read-only files from the backup"),
  security_opt: rebuilt("what restricts: no-new-privileges"),
  shm_size: kept,
  stdin_open: kept,
  stop_grace_period: kept,
  stop_signal: kept,
  storage_opt: dropped(ofEngine),
  sysctls: rebuilt("those of the container's own namespaces"),
  tmpfs: kept,
  tty: kept,
  ulimits: kept,
  umask: kept,
  use_api_socket: dropped(ofHost),
  user: kept,
  userns_mode: dropped(ofHost),
  uts: dropped(ofHost),
  volumes: rebuilt("fresh volumes with the backup's data, and read-only copies of files"),
  volumes_from: rebuilt("those of services of the clone"),
  working_dir: kept,
};

/** Whether a key of a service can give its container something of the host, the engine or the world outside. */
export function reachesOut(key: string): boolean {
  if (key.startsWith("x-")) return false;
  // A key that this version does not know may do anything.
  const treatment = cloneKeys[key] ?? dropped(ofHost);
  if (typeof treatment === "string" || !("dropped" in treatment)) return false;
  return [ofHost, ofEngine, outside].includes(treatment.dropped);
}
