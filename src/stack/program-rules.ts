import type { EngineHealthcheck } from "./container-facts.ts";
import type { Rule } from "./definition-property.ts";
import { argumentsOf, durationNs, listOf, mapOf } from "./definition-values.ts";

/** Docker's own rule: a command belongs to the entrypoint that it was written for. */
export const commandRule: Rule = {
  keys: ["command", "entrypoint"],
  read: ({ service }, { info, image }) => {
    const isOwn = service.entrypoint !== undefined && service.entrypoint !== null;
    const command = argumentsOf(service.command);
    const inherited = isOwn && argumentsOf(service.entrypoint).length > 0 ? [] : image?.Cmd;
    return [
      ...(image === undefined && command.length === 0
        ? []
        : [
            {
              path: "command",
              wanted: command.length > 0 ? command : argumentsOf(inherited),
              actual: argumentsOf(info.Config.Cmd),
            },
          ]),
      ...(image === undefined && !isOwn
        ? []
        : [
            {
              path: "entrypoint",
              wanted: argumentsOf(isOwn ? service.entrypoint : image?.Entrypoint),
              actual: argumentsOf(info.Config.Entrypoint),
            },
          ]),
    ];
  },
};

/** Compose adds the proxies of the client's own configuration. */
const proxy = /^(https?|ftp|no|all)_proxy$/i;

/** The environment of the image and of the files, together. */
export const environmentRule: Rule = {
  keys: ["environment", "env_file"],
  read: ({ service }, { info, image }) => {
    const own = Object.entries(service.environment ?? {});
    // A name without a value takes the variable away.
    const wanted: Record<string, string | undefined> = {
      ...mapOf(image?.Env ?? []),
      ...Object.fromEntries(own.map(([name, value]) => [name, value ?? undefined])),
    };
    const actual = mapOf((info.Config.Env ?? []).filter((line) => line.includes("=")));
    const names = new Set([...Object.keys(wanted), ...Object.keys(actual)]);
    return [...names].flatMap((name) => {
      if (image === undefined && !(name in (service.environment ?? {}))) return [];
      if (proxy.test(name) && !(name in wanted)) return [];
      return [{ path: `environment.${name}`, wanted: wanted[name], actual: actual[name] }];
    });
  },
};

/** Labels, without those that Compose writes itself. */
export const labelsRule: Rule = {
  keys: ["labels", "label_file"],
  read: ({ service }, { info, image }) => {
    const isOwn = (name: string) => !/^(com\.docker\.compose\.|desktop\.docker\.io\/)/.test(name);
    const wanted = { ...image?.Labels, ...mapOf(service.labels) };
    const actual = info.Config.Labels ?? {};
    const names = new Set([...Object.keys(wanted), ...Object.keys(actual)].filter(isOwn));
    return [...names].flatMap((name) =>
      image === undefined && !(name in wanted)
        ? []
        : [{ path: `labels.${name}`, wanted: wanted[name], actual: actual[name] }],
    );
  },
};

/** The health check; what the files leave open comes from the image. */
export const healthcheckRule: Rule = {
  keys: ["healthcheck"],
  read: ({ service }, { info, image }) => {
    const own = service.healthcheck as Readonly<Record<string, unknown>> | undefined | null;
    const isOff = own?.disable === true;
    if (image === undefined && (own?.test === undefined || own === null) && !isOff) return [];
    const given: EngineHealthcheck = isOff
      ? { Test: ["NONE"] }
      : {
          Test: own?.test === undefined ? [] : argumentsOf(own.test),
          Interval: durationNs(own?.interval),
          Timeout: durationNs(own?.timeout),
          StartPeriod: durationNs(own?.start_period),
          StartInterval: durationNs(own?.start_interval),
          Retries: Number(own?.retries ?? 0),
        };
    const [wanted, actual] = [health(given, image?.Healthcheck), health(info.Config.Healthcheck)];
    // Compose before 2.22 and the engine before 25 leave it out, and it changes nothing but the pace of the start.
    const hasPaces = [wanted, actual].every((one) => one !== undefined && "start_interval" in one);
    const isUnknown = hasPaces && (actual as { start_interval: number }).start_interval === 0;
    return [
      {
        path: "healthcheck",
        wanted: isUnknown ? { ...wanted, start_interval: 0 } : wanted,
        actual,
      },
    ];
  },
};

/** A check in one form; what it leaves open comes from the image. */
function health(own: EngineHealthcheck | null | undefined, image?: EngineHealthcheck | null) {
  const test = own?.Test?.length ? own.Test : (image?.Test ?? []);
  if (test.length === 0) return undefined;
  if (test[0] === "NONE") return { test };
  const of = (name: Exclude<keyof EngineHealthcheck, "Test">) => own?.[name] || image?.[name] || 0;
  return {
    ...{ test, interval: of("Interval"), timeout: of("Timeout"), retries: of("Retries") },
    ...{ start_period: of("StartPeriod"), start_interval: of("StartInterval") },
  };
}

/** The restart policy, by either key. */
export const restartRule: Rule = {
  keys: ["restart", "deploy"],
  read: ({ service }, { info }) => {
    const { restart_policy: policy } = (service.deploy ?? {}) as {
      restart_policy?: { condition?: string; max_attempts?: number };
    };
    const { Name: name, MaximumRetryCount: most } = info.HostConfig.RestartPolicy ?? { Name: "" };
    const named = { none: "no", any: "always" }[policy?.condition ?? ""] ?? policy?.condition;
    const wanted =
      policy === undefined
        ? String(service.restart ?? "no")
        : `${named ?? "always"}${policy.max_attempts ? `:${policy.max_attempts}` : ""}`;
    return [{ path: "restart", wanted, actual: `${name || "no"}${most ? `:${most}` : ""}` }];
  },
};

/** The name that Compose gives to a new container: a rollback finds its containers by their names. */
export const containerNameRule: Rule = {
  keys: ["container_name"],
  read: ({ service, name, model }, { info }) => {
    const number = info.Config.Labels?.["com.docker.compose.container-number"] ?? "1";
    const wanted = String(service.container_name ?? `${model.name}-${name}-${number}`);
    return [{ path: "container_name", wanted, actual: info.Name.replace(/^\//, "") }];
  },
};

/** The host name. */
export const hostnameRule: Rule = {
  keys: ["hostname"],
  read: ({ service }, { info }) => {
    // Without one, the engine takes the container's id, or the name of the joined namespace.
    if (service.hostname === undefined && typeof service.network_mode === "string") return [];
    const wanted = String(service.hostname ?? info.Id.slice(0, 12));
    return [{ path: "hostname", wanted, actual: info.Config.Hostname }];
  },
};

/** The engine's own, such as `label=disable` for a privileged container, come in addition. */
export const securityOptionsRule: Rule = {
  keys: ["security_opt", "credential_spec"],
  read: ({ service }, { info }) => {
    const form = (option: string) =>
      option.replace(/^([\w-]+):/, "$1=").replace(/^(seccomp)=.*/, "$1");
    const wanted = listOf(listOf(service.security_opt).map(form));
    const all = listOf(listOf(info.HostConfig.SecurityOpt).map(form));
    const actual = all.filter((option) => option !== "label=disable" || wanted.includes(option));
    return [{ path: "security_opt", wanted, actual }];
  },
};
