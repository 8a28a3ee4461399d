import type { ComposeService } from "../model/stack.ts";
import type { ContainerFacts } from "./container-facts.ts";
import type { Rule } from "./definition-property.ts";
import {
  bytesOf,
  capability,
  durationNs,
  hostsOf,
  listOf,
  mapOf,
  microseconds,
} from "./definition-values.ts";
import { devicesOf, enginesDevices, hasDeviceRequests, limitsOf } from "./device-values.ts";
import { mountRule } from "./mount-rule.ts";
import { networkRule, portRule } from "./network-rule.ts";
import {
  commandRule,
  containerNameRule,
  environmentRule,
  healthcheckRule,
  hostnameRule,
  labelsRule,
  restartRule,
  securityOptionsRule,
} from "./program-rules.ts";

type Host = ContainerFacts["info"]["HostConfig"];

/** A key whose value lies in one place of the engine's answer. */
function plain(
  key: string,
  wanted: (service: ComposeService, facts: ContainerFacts) => unknown,
  actual: (facts: ContainerFacts) => unknown,
): Rule {
  return {
    keys: [key],
    read: ({ service }, facts) => [
      { path: key, wanted: wanted(service, facts), actual: actual(facts) },
    ],
  };
}

function flag(key: string, actual: (host: Host) => unknown): Rule {
  return plain(
    key,
    (service) => service[key] === true || service[key] === "true",
    ({ info }) => actual(info.HostConfig) === true,
  );
}

function text(key: string, actual: (facts: ContainerFacts) => unknown): Rule {
  return plain(
    key,
    (service) => String(service[key] ?? ""),
    (facts) => String(actual(facts) ?? ""),
  );
}

function list(key: string, actual: (host: Host) => unknown, form = (item: string) => item): Rule {
  const all = (value: unknown) => listOf(listOf(value).map(form));
  return plain(
    key,
    (service) => all(service[key]),
    ({ info }) => all(actual(info.HostConfig)),
  );
}

function amount(
  key: string,
  actual: (host: Host) => unknown,
  read: (value: unknown) => number = Number,
): Rule {
  return plain(
    key,
    (service) => read(service[key] ?? 0),
    ({ info }) => Math.max(0, Number(actual(info.HostConfig) ?? 0)),
  );
}

/** A key that counts only where the files have it: without it the engine's own default applies, which differs. */
function ifGiven(
  key: string,
  wanted: (value: unknown, service: ComposeService) => unknown,
  actual: (facts: ContainerFacts) => unknown,
): Rule {
  return {
    keys: [key],
    read: ({ service }, facts) =>
      service[key] === undefined || service[key] === null
        ? []
        : [{ path: key, wanted: wanted(service[key], service), actual: actual(facts) }],
  };
}

/** A limit of the service itself, which `deploy` overrides. */
function limit(
  key: string,
  [kind, name]: ["limits" | "reservations", string],
  read: (value: unknown) => number,
  actual: (host: Host) => unknown,
): Rule {
  return plain(
    key,
    (service) => Math.max(0, read(limitsOf(service, kind)[name] ?? service[key] ?? 0)),
    ({ info }) => Math.max(0, Number(actual(info.HostConfig) ?? 0)),
  );
}

/** Namespaces by service or container: the engine knows the id of the container that they were joined from. */
function namespace(key: string, actual: (host: Host) => string | undefined): Rule {
  return {
    keys: [key],
    read: ({ service, idsOf }, { info, joined }) => {
      const has = actual(info.HostConfig) ?? "";
      const wants = String(service[key] ?? "");
      const [, kind, name = ""] = /^(service|container):(.+)$/.exec(wants) ?? [];
      if (kind === undefined) {
        const isDefault = wants === "" && /^(|private|shareable|host)$/.test(has) && key !== "pid";
        return isDefault && !(key === "ipc" && has === "host") && key !== "uts"
          ? []
          : [{ path: key, wanted: wants, actual: has }];
      }
      const id = has.replace(/^container:/, "");
      const isJoined = has.startsWith("container:");
      // A provider that is gone cannot be named any more.
      const isRight =
        isJoined &&
        (joined[id] === undefined ||
          (kind === "service"
            ? idsOf(name).includes(id)
            : joined[id] === name || id.startsWith(name)));
      const shown = isJoined ? `container:${joined[id] ?? id}` : has;
      return isRight ? [] : [{ path: key, wanted: wants, actual: shown }];
    },
  };
}

/** How each key of a service that reaches its container is found there. */
export const rules: readonly Rule[] = [
  ...[commandRule, environmentRule, labelsRule, healthcheckRule, restartRule],
  ...[containerNameRule, hostnameRule, mountRule, portRule, networkRule, securityOptionsRule],
  namespace("pid", ({ PidMode }) => PidMode),
  namespace("ipc", ({ IpcMode }) => IpcMode),
  text("domainname", ({ info }) => info.Config.Domainname),
  plain(
    "user",
    ({ user }, { image }) => String(user ?? image?.User ?? ""),
    ({ info }) => info.Config.User ?? "",
  ),
  plain(
    "working_dir",
    ({ working_dir: given }, { image }) => String(given ?? image?.WorkingDir ?? "") || "/",
    ({ info }) => info.Config.WorkingDir || "/",
  ),
  plain(
    "tty",
    ({ tty }) => tty === true,
    ({ info }) => info.Config.Tty === true,
  ),
  plain(
    "stdin_open",
    ({ stdin_open: is }) => is === true,
    ({ info }) => info.Config.OpenStdin === true,
  ),
  plain(
    "stop_signal",
    ({ stop_signal: given }, { image }) => String(given ?? image?.StopSignal ?? "") || "SIGTERM",
    ({ info }) => info.Config.StopSignal || "SIGTERM",
  ),
  plain(
    "stop_grace_period",
    ({ stop_grace_period: given }) =>
      given === undefined ? undefined : Math.trunc(durationNs(given) / 1e9),
    ({ info }) => info.Config.StopTimeout ?? undefined,
  ),
  ifGiven(
    "logging",
    (value) => {
      const { driver, options } = value as { driver?: string; options?: unknown };
      return { driver: driver ?? "json-file", options: mapOf(options) };
    },
    ({ info }) => ({
      driver: info.HostConfig.LogConfig?.Type,
      options: mapOf(info.HostConfig.LogConfig?.Config),
    }),
  ),
  flag("privileged", ({ Privileged }) => Privileged),
  flag("read_only", ({ ReadonlyRootfs }) => ReadonlyRootfs),
  flag("init", ({ Init }) => Init),
  flag("oom_kill_disable", ({ OomKillDisable }) => OomKillDisable),
  list("cap_add", ({ CapAdd }) => CapAdd, capability),
  list("cap_drop", ({ CapDrop }) => CapDrop, capability),
  list("group_add", ({ GroupAdd }) => GroupAdd),
  list("dns", ({ Dns }) => Dns),
  list("dns_opt", ({ DnsOptions }) => DnsOptions),
  list("dns_search", ({ DnsSearch }) => DnsSearch),
  list("device_cgroup_rules", ({ DeviceCgroupRules }) => DeviceCgroupRules),
  plain(
    "sysctls",
    ({ sysctls }) => mapOf(sysctls),
    ({ info }) => mapOf(info.HostConfig.Sysctls),
  ),
  plain(
    "storage_opt",
    (s) => mapOf(s.storage_opt),
    ({ info }) => mapOf(info.HostConfig.StorageOpt),
  ),
  plain(
    "extra_hosts",
    (s) => hostsOf(s.extra_hosts),
    ({ info }) => hostsOf(info.HostConfig.ExtraHosts),
  ),
  plain(
    "devices",
    (s) => devicesOf(s.devices),
    ({ info }) => enginesDevices(info.HostConfig),
  ),
  plain("gpus", hasDeviceRequests, ({ info }) => (info.HostConfig.DeviceRequests ?? []).length > 0),
  {
    keys: ["ulimits"],
    // The engine may add defaults of its own.
    read: ({ service }, { info }) => {
      const all = new Map((info.HostConfig.Ulimits ?? []).map((one) => [one.Name, one]));
      return Object.entries((service.ulimits ?? {}) as Record<string, unknown>).map(
        ([name, value]) => {
          const { soft, hard } = (
            typeof value === "object" ? value : { soft: value, hard: value }
          ) as { soft: unknown; hard: unknown };
          const has = all.get(name);
          const actual = has === undefined ? undefined : [Number(has.Soft), Number(has.Hard)];
          return { path: `ulimits.${name}`, wanted: [Number(soft), Number(hard)], actual };
        },
      );
    },
  },
  ifGiven("runtime", String, ({ info }) => info.HostConfig.Runtime),
  ifGiven("cgroup", String, ({ info }) => info.HostConfig.CgroupnsMode),
  ifGiven("isolation", String, ({ info }) => info.HostConfig.Isolation || "default"),
  text("uts", ({ info }) => info.HostConfig.UTSMode),
  text("userns_mode", ({ info }) => info.HostConfig.UsernsMode),
  text("cgroup_parent", ({ info }) => info.HostConfig.CgroupParent),
  text("cpuset", ({ info }) => info.HostConfig.CpusetCpus),
  plain(
    "shm_size",
    (s) => bytesOf(s.shm_size) || 64 * 2 ** 20,
    ({ info }) => info.HostConfig.ShmSize || 64 * 2 ** 20,
  ),
  limit("mem_limit", ["limits", "memory"], bytesOf, ({ Memory }) => Memory),
  limit("mem_reservation", ["reservations", "memory"], bytesOf, ({ MemoryReservation: is }) => is),
  limit(
    "cpus",
    ["limits", "cpus"],
    (value) => Math.round(Number(value) * 1e9),
    ({ NanoCpus }) => NanoCpus,
  ),
  limit("pids_limit", ["limits", "pids"], Number, ({ PidsLimit }) => PidsLimit),
  ifGiven("memswap_limit", bytesOf, ({ info }) => info.HostConfig.MemorySwap),
  ifGiven("mem_swappiness", Number, ({ info }) => info.HostConfig.MemorySwappiness),
  plain(
    "oom_score_adj",
    (s) => Number(s.oom_score_adj ?? 0),
    ({ info }) => info.HostConfig.OomScoreAdj ?? 0,
  ),
  amount("cpu_shares", ({ CpuShares }) => CpuShares),
  amount("cpu_quota", ({ CpuQuota }) => CpuQuota, microseconds),
  amount("cpu_period", ({ CpuPeriod }) => CpuPeriod, microseconds),
  amount("cpu_rt_period", ({ CpuRealtimePeriod }) => CpuRealtimePeriod, microseconds),
  amount("cpu_rt_runtime", ({ CpuRealtimeRuntime }) => CpuRealtimeRuntime, microseconds),
  amount("cpu_count", ({ CpuCount }) => CpuCount),
  amount("cpu_percent", ({ CpuPercent }) => CpuPercent),
];
