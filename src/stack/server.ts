import type {
  ComposeModel,
  ContainerState,
  DiscoveredStores,
  RabbitmqStore,
} from "../model/stack.ts";
import { brokerNode } from "./broker-node.ts";
import { describePostgres } from "./describe-postgres.ts";
import { describeQdrant } from "./describe-qdrant.ts";
import { describeRedis } from "./describe-redis.ts";
import type { InspectedContainer } from "./inspect.ts";
import { placeOfServer, readInside, type ServerContext } from "./server-input.ts";
import { defaultDirectory, type ServerKind } from "./server-kind.ts";

/** A store that is a server. */
export type ServerStore = DiscoveredStores[ServerKind];

/**
 * Describes a server from its container: its real mount, user, password, port.
 *
 * @throws RefusedError when its data is not on a volume.
 */
export async function describeServer(
  kind: ServerKind,
  container: InspectedContainer,
  context: ServerContext,
): Promise<ServerStore> {
  return await serverDescriptions[kind](container, context);
}

/** The description function of each kind of server. */
export const serverDescriptions: {
  readonly [K in ServerKind]: (
    container: InspectedContainer,
    context: ServerContext,
  ) => Promise<DiscoveredStores[K]>;
} = {
  postgres: describePostgres,
  qdrant: describeQdrant,
  redis: describeRedis,
  rabbitmq: ({ state }, context) => describeRabbitmq(state, context),
};

/** The file in which a broker's environment may be set instead of in the container's. */
const brokerEnvironment = "/etc/rabbitmq/rabbitmq-env.conf";

async function describeRabbitmq(
  state: ContainerState,
  context: ServerContext,
): Promise<RabbitmqStore> {
  const isMounted = state.mounts.some(({ target }) => brokerEnvironment.startsWith(target));
  const file = isMounted ? await readInside(state, brokerEnvironment, context) : "";
  const environment = { ...brokerVariables(file), ...state.environment };
  const service = context.model.services[state.service];
  const nodeName = brokerNode(environment, fullName(state, service)) ?? "";
  // `rabbit@localhost` does not depend on the host name.
  const pinned = typeof service?.hostname === "string" || nodeName.endsWith("@localhost");
  return {
    kind: "rabbitmq",
    ...placeOfServer(state, environment.RABBITMQ_DATA_DIR || defaultDirectory("rabbitmq")),
    nodeName,
    pinned,
  };
}

function fullName(
  { hostname }: ContainerState,
  service: ComposeModel["services"][string] | undefined,
) {
  const domain = service?.domainname;
  return typeof domain === "string" && domain !== "" ? `${hostname}.${domain}` : hostname;
}

/** The variables of `rabbitmq-env.conf`: `NAME=value` without the prefix `RABBITMQ_`. */
function brokerVariables(text: string): Record<string, string> {
  const lines = [
    ...text.matchAll(/^\s*(?:export\s+)?(?:RABBITMQ_)?([A-Z_]+)=["']?(.*?)["']?\s*$/gm),
  ];
  return Object.fromEntries(lines.map(([, name = "", value = ""]) => [`RABBITMQ_${name}`, value]));
}
