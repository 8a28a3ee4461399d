/** Why something is refused, and what to do instead. */
export interface Refusal {
  readonly class: string;
  readonly message: string;
  readonly hint: string;
}

/** A store's server that is to run another version on the data that it has. */
export interface Jump {
  readonly kind: "postgres" | "qdrant" | "rabbitmq" | "redis";
  readonly service: string;
  /** The version of the data, or of the server that wrote it; undefined where it cannot be told. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** RabbitMQ's feature flags as the running broker tells them. */
  readonly flags?: readonly FeatureFlag[] | undefined;
}

/** One line of `rabbitmqctl list_feature_flags`. */
export interface FeatureFlag {
  readonly name: string;
  readonly state: string;
  readonly stability: string;
}

/**
 * From which minor versions RabbitMQ is upgraded to another one without a stop in between
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
 * Whether a server may take over the data of another version of it. What cannot be told is refused: a server
 * that does not understand its data refuses to start at best.
 *
 * @returns undefined where nothing speaks against it.
 */
export function refuseJump(jump: Jump): Refusal | undefined {
  const { kind, service, from, to } = jump;
  if (kind === "redis") return undefined;
  const [before, after] = [numbers(from), numbers(to)];
  if (before === undefined || after === undefined) {
    const which = before === undefined ? "that its data is of" : "of the new image";
    return {
      class: "unknown-version",
      message: `service ${service}: the ${product[kind]} version ${which} cannot be told`,
      hint: `Use an image whose tag tells the version, such as ${kind}:1.2.3, or leave ${service} out of the upgrade.`,
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

/** The files of one major version are unreadable for every other one; until 9 the minor was part of it. */
function refusePostgres(jump: Jump, [before, was]: Version, [after, is]: Version) {
  if (before === after && (before >= 10 || was === is)) return undefined;
  return {
    class: "postgres-major",
    message: `service ${jump.service}: its data is of PostgreSQL ${jump.from}, and the new image has ${jump.to}`,
    hint: "A new major version cannot read it: dump, start the new version on an empty volume, and restore; or stay on this major version.",
  };
}

/** Storage is compatible over one minor version only, and never backwards (qdrant.tech, "Upgrading"). */
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
  // One that is newer than this table: the next minor version has always been a way.
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
          ? "An older version cannot read the data of a newer one, and this way is not a supported one."
          : `Upgrade to ${over} first (https://www.rabbitmq.com/docs/upgrade).`,
    };
  }
  return refuseFlags(jump, before, after);
}

/** A newer broker does not start where a flag that it needs was never enabled. */
function refuseFlags({ service, flags = [] }: Jump, before: number, after: number) {
  const khepri = flags.some(({ name, state }) => name === "khepri_db" && state === "enabled");
  if (khepri && before === 3 && after > 3) {
    return {
      class: "rabbitmq-flags",
      message: `service ${service}: a RabbitMQ 3 that uses Khepri cannot become a RabbitMQ ${after}`,
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
