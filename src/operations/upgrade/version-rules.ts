/** Why something is refused, and what to do instead. */
export interface Refusal {
  readonly class: string;
  readonly message: string;
  readonly hint: string;
}

/** A store server that is to run another version on its existing data. */
export interface Jump {
  readonly kind: "postgres" | "qdrant" | "rabbitmq" | "redis";
  readonly service: string;
  /** The version of the data, or of the server that wrote it; undefined if unknown. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** RabbitMQ's feature flags, as reported by the running broker. */
  readonly flags?: readonly FeatureFlag[] | undefined;
}

/** One line of `rabbitmqctl list_feature_flags`. */
export interface FeatureFlag {
  readonly name: string;
  readonly state: string;
  readonly stability: string;
}

/**
 * By target version: the minor versions from which RabbitMQ can be upgraded directly
 * (https://www.rabbitmq.com/docs/upgrade, "RabbitMQ version upgradability").
 */
const rabbitmqPaths: Readonly<Record<string, readonly string[]>> = {
  "3.8": ["3.7"],
  "3.9": ["3.8"],
  "3.10": ["3.8", "3.9"],
  "3.11": ["3.10"],
  "3.12": ["3.11"],
  "3.13": ["3.12"],
  "4.0": ["3.13"],
  "4.1": ["3.13", "4.0"],
  "4.2": ["3.13", "4.0", "4.1"],
  "4.3": ["4.2"],
};

/**
 * Decides whether a server may take over the data of another version. Refuses unknown versions: at best, a server that
 * does not understand its data refuses to start.
 *
 * @returns undefined if the upgrade is allowed.
 */
export function refuseJump(jump: Jump): Refusal | undefined {
  const { kind, service, from, to } = jump;
  if (kind === "redis") return undefined;
  const [before, after] = [numbers(from), numbers(to)];
  if (before === undefined || after === undefined) {
    const which = before === undefined ? "of its data" : "of the new image";
    return {
      class: "unknown-version",
      message: `service ${service}: the ${product[kind]} version ${which} is unknown`,
      hint: `Use an image whose tag contains the version, such as ${kind}:1.2.3, or leave ${service} out of the upgrade.`,
    };
  }
  switch (kind) {
    case "postgres":
      return refusePostgres(jump, before, after);
    case "qdrant":
      return refuseQdrant(jump, before, after);
    case "rabbitmq":
      return refuseRabbitmq(jump, before, after);
  }
}

const product = { postgres: "PostgreSQL", qdrant: "Qdrant", rabbitmq: "RabbitMQ", redis: "Redis" };

type Version = readonly [major: number, minor: number];

/** The first two numbers of `17`, `v1.17.1`, `4.0.5`, `9.6`. */
function numbers(text: string | undefined): Version | undefined {
  const match = /^v?(\d+)(?:\.(\d+))?/.exec(text?.trim() ?? "");
  return match === null ? undefined : [Number(match[1]), Number(match[2] ?? 0)];
}

/** A major version cannot read the files of another one. Up to 9.x the minor number is part of the major version. */
function refusePostgres(jump: Jump, [before, was]: Version, [after, is]: Version) {
  if (before === after && (before >= 10 || was === is)) return undefined;
  return {
    class: "postgres-major",
    message: `service ${jump.service}: its data is from PostgreSQL ${jump.from}, but the new image has ${jump.to}`,
    hint: "Another major version cannot read it: dump, start the new version on an empty volume, and restore; or stay on this major version.",
  };
}

/** Storage is compatible with the next minor version only, never backwards (qdrant.tech, "Upgrading"). */
function refuseQdrant(jump: Jump, [before, was]: Version, [after, is]: Version) {
  if (before === after && (is === was || is === was + 1)) return undefined;
  const back = after < before || (after === before && is < was);
  return {
    class: "qdrant-version",
    message: `service ${jump.service}: Qdrant cannot go from ${jump.from} to ${jump.to}`,
    hint: back
      ? "An older version cannot read the data of a newer one."
      : `Its data is compatible with the next minor version only: upgrade to ${before}.${was + 1} first.`,
  };
}

function refuseRabbitmq(jump: Jump, [before, was]: Version, [after, is]: Version) {
  if (before === after && was === is) return undefined;
  const [from, to] = [`${before}.${was}`, `${after}.${is}`];
  // For versions newer than this table: an upgrade to the next minor version has always been supported.
  const known = rabbitmqPaths[to] ?? (before === after && is === was + 1 ? [from] : []);
  const { service } = jump;
  if (!known.includes(from)) {
    const over = (rabbitmqPaths[to] ?? []).at(-1);
    const back = after < before || (after === before && is < was);
    return {
      class: "rabbitmq-version",
      message: `service ${service}: RabbitMQ cannot go from ${from} to ${to}`,
      hint:
        back || over === undefined
          ? "RabbitMQ does not support this upgrade, and an older version cannot read the data of a newer one."
          : `Upgrade to ${over} first (https://www.rabbitmq.com/docs/upgrade).`,
    };
  }
  return refuseFlags(jump, before, after);
}

/** A newer broker does not start if a feature flag that it needs was never enabled. */
function refuseFlags({ service, flags = [] }: Jump, before: number, after: number) {
  const khepri = flags.some(({ name, state }) => name === "khepri_db" && state === "enabled");
  if (khepri && before === 3 && after > 3) {
    return {
      class: "rabbitmq-flags",
      message: `service ${service}: RabbitMQ 3 with Khepri cannot be upgraded to RabbitMQ ${after}`,
      hint: "Set up a new broker and move definitions and messages to it.",
    };
  }
  const off = flags.filter(
    ({ state, stability }) => state === "disabled" && /^(stable|required)$/.test(stability),
  );
  if (off.length === 0) return undefined;
  return {
    class: "rabbitmq-flags",
    message: `service ${service}: feature flags are not enabled: ${off.map(({ name }) => name).join(", ")}`,
    hint: `Enable them first: docker compose exec ${service} rabbitmqctl enable_feature_flag all`,
  };
}
