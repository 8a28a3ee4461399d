import type { ComposeModel, ComposeService } from "./stack.ts";

/** As much of a key's value as stays inside a clone, and what is left out, one line each with its reason. */
interface ClonePart {
  /** Undefined if nothing is left. */
  readonly value?: unknown;
  readonly lost?: readonly string[];
}

/** The clone that a part belongs to. */
interface Around {
  readonly service: ComposeService;
  readonly model: ComposeModel;
  /** Whether the clone has this service. */
  readonly has: (service: string) => boolean;
}

/** The capabilities of every container (https://docs.docker.com/engine/security/), and some that reach no further. */
const harmless = new Set([
  ...["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"],
  ...["NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"],
  ...["IPC_LOCK", "SYS_NICE", "SYS_PTRACE"],
]);

const ownSysctl = /^(net\.|fs\.mqueue\.|kernel\.(msgmax|msgmnb|msgmni|sem|shm\w+)$)/;
const loopback = /^(127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

/** How each key that a clone keeps in part is kept. Each is a pure function of the service. */
export const cloneParts: Readonly<Record<string, (value: unknown, around: Around) => ClonePart>> = {
  cap_add: (value) => {
    const all = texts(value);
    const isHarmless = (name: string) => harmless.has(name.toUpperCase().replace(/^CAP_/, ""));
    return part(
      all.filter(isHarmless),
      "cap_add",
      all.filter((name) => !isHarmless(name)),
      ["it would reach the host"],
    );
  },
  sysctls: (value) => {
    const all = Object.entries(mapping(value));
    const own = all.filter(([name]) => ownSysctl.test(name));
    const lost = all.flatMap(([name]) => (ownSysctl.test(name) ? [] : [name]));
    return part(Object.fromEntries(own), "sysctls", lost, ["it is the host's"]);
  },
  security_opt: (value) => {
    const all = texts(value);
    const restricts = (option: string) => /^no-new-privileges([:=]true)?$/.test(option);
    return part(
      all.filter(restricts),
      "security_opt",
      all.filter((option) => !restricts(option)),
      ["it loosens the clone, or needs a profile of the host"],
    );
  },
  extra_hosts: (value) => {
    const all = hosts(value);
    const isOwn = (line: string) => loopback.test(line.replace(/^[^=:]+[=:]/, ""));
    return part(
      all.filter(isOwn),
      "extra_hosts",
      all.filter((line) => !isOwn(line)),
      ["it would reach the world outside"],
    );
  },
  links: (value, { has }) => {
    const all = texts(value);
    const isHere = (link: string) => has(link.split(":")[0] ?? "");
    return part(
      all.filter(isHere),
      "links",
      all.filter((link) => !isHere(link)),
      ["the clone has no such service"],
    );
  },
  volumes_from: (value, { has }) => {
    const all = texts(value);
    const isHere = (from: string) =>
      !from.startsWith("container:") && has(from.split(":")[0] ?? "");
    return part(
      all.filter(isHere),
      "volumes_from",
      all.filter((from) => !isHere(from)),
      ["the clone has no such container"],
    );
  },
  healthcheck: (value) => ({ value }),
  network_mode: (value, around) =>
    value === "none" ? { value } : namespace("network_mode", value, around, ["bridge"]),
  pid: (value, around) => namespace("pid", value, around, []),
  ipc: (value, around) =>
    value === "private" || value === "shareable" || value === "none"
      ? { value }
      : namespace("ipc", value, around, []),
  deploy: (value) => {
    const { resources } = value as { resources?: { reservations?: { devices?: unknown[] } } };
    const devices = resources?.reservations?.devices ?? [];
    return devices.length === 0
      ? {}
      : { lost: [line("deploy", "devices", "it would reach the host")] };
  },
};

/** The limits that `deploy` sets, as keys of the service itself. */
export function limitsOfDeploy({ deploy }: ComposeService): Readonly<Record<string, unknown>> {
  const { resources } = (deploy ?? {}) as { resources?: Record<string, Record<string, unknown>> };
  const { limits = {}, reservations = {} } = resources ?? {};
  const { memory, cpus, pids } = limits;
  return defined({
    ...{ mem_limit: memory, pids_limit: pids, mem_reservation: reservations.memory },
    cpus: cpus === undefined ? undefined : Number(cpus),
  });
}

/** The members that have a value. */
export function defined(all: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** One line about something left out, such as `cap_add NET_ADMIN (it would reach the host)`. */
export function line(key: string, what: string, reason: string): string {
  return `${key}${what === "" ? "" : ` ${what}`} (${reason})`;
}

function namespace(
  key: string,
  value: unknown,
  { has, model }: Around,
  silent: readonly string[],
): ClonePart {
  const text = String(value);
  const [, kind, name = ""] = /^(service|container):(.+)$/.exec(text) ?? [];
  // Another container of the same stack may be named by its container's name.
  const provider =
    kind === "service"
      ? name
      : Object.entries(model.services).find(
          ([own, one]) => one.container_name === name || name === `${model.name}-${own}-1`,
        )?.[0];
  if (kind !== undefined && provider !== undefined && has(provider)) {
    return { value: `service:${provider}` };
  }
  if (silent.includes(text)) return {};
  const reason = kind === undefined ? "it would reach the host" : "the clone has no such container";
  return { lost: [line(key, text, reason)] };
}

function part(
  value: readonly string[] | Readonly<Record<string, unknown>>,
  key: string,
  lost: readonly string[],
  [reason = ""]: readonly [string],
): ClonePart {
  const isEmpty = Object.keys(value).length === 0;
  return {
    ...(isEmpty ? {} : { value }),
    lost: lost.map((one) => line(key, one, reason)),
  };
}

function texts(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).map(String);
}

function mapping(value: unknown): Record<string, unknown> {
  if (!Array.isArray(value)) return value as Record<string, unknown>;
  return Object.fromEntries(value.map((one) => String(one).split(/=(.*)/).slice(0, 2)));
}

function hosts(value: unknown): string[] {
  if (Array.isArray(value)) return texts(value);
  return Object.entries(value as Record<string, unknown>).flatMap(([name, address]) =>
    texts(address).map((one) => `${name}=${one}`),
  );
}
