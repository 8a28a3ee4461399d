import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, Stack } from "../../model/stack.ts";
import { brokerNode } from "../../stack/broker-node.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { Makings } from "./current-stack.ts";

/** The facts about the brokers of a stack that are known before any change. */
interface BrokerRequest {
  readonly stores: readonly BackedUpStore[];
  readonly stack: Pick<Stack, "containers">;
  readonly makings: Makings;
  /** The model that Compose creates the missing containers from. */
  readonly model: ComposeModel;
}

/**
 * Refuses a broker that would not find its data: a broker opens only the data of a node with the same name, and starts
 * empty otherwise. Also refuses a backup without broker messages, because it has no data for the volume.
 *
 * @throws RefusedError that names both nodes and the solution.
 */
export function refuseOtherBroker({ stores, stack, makings, model }: BrokerRequest): void {
  for (const { kind, service = "", components } of stores) {
    if (kind !== "rabbitmq") continue;
    const messages = components.find(({ name }) => !name.endsWith("-definitions"));
    if (messages === undefined) {
      throw new RefusedError(`${service}: the backup contains only the definitions of the broker`, {
        class: "definitions-only",
        hint: `select the other stores with \`only\`, then import the definitions into the running broker (rabbitmqctl import_definitions; restore --target extracts the file)`,
      });
    }
    const was = messages.details.nodeName;
    const isMade = [...makings.create, ...makings.replace].includes(service);
    const now = isMade ? nodeOfModel(model, service) : nodeOfContainer(stack, service);
    if (typeof was !== "string" || now === "unknown" || was === now) continue;
    const host = was.split("@")[1] ?? was;
    throw new RefusedError(
      `${service}: the backup is of node ${was}, but ${now === undefined ? "the new container would get a random name" : `this node is ${now}`}`,
      {
        class: "broker-node",
        hint: `a broker opens only the data of its own node name: set \`hostname: ${host}\` in the compose file, run \`docker compose up --no-start\`, then restore`,
      },
    );
  }
}

/** The node name by the model; undefined if each new container gets a random host name. */
function nodeOfModel({ services }: ComposeModel, service: string): string | undefined {
  const { environment, hostname } = services[service] ?? {};
  return brokerNode(environment ?? {}, typeof hostname === "string" ? hostname : undefined);
}

function nodeOfContainer(
  { containers }: BrokerRequest["stack"],
  service: string,
): string | undefined {
  const found = containers.find((one) => one.service === service);
  return found === undefined ? "unknown" : brokerNode(found.environment, found.hostname);
}
