import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, Stack } from "../../model/stack.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { Makings } from "./current-stack.ts";

/** What is known of the brokers of a stack before anything is changed. */
interface BrokerRequest {
  readonly stores: readonly BackedUpStore[];
  readonly stack: Pick<Stack, "containers">;
  readonly makings: Makings;
  /** What Compose makes the missing containers of. */
  readonly model: ComposeModel;
}

/**
 * Refuses a broker that would not find its data: it only opens what a node of the same name has written, and starts empty
 * beside anything else. And a backup that has nothing to put into its volume.
 *
 * @throws RefusedError naming both nodes and the way out.
 */
export function refuseOtherBroker({ stores, stack, makings, model }: BrokerRequest): void {
  for (const { kind, service = "", components } of stores) {
    if (kind !== "rabbitmq") continue;
    const messages = components.find(({ name }) => !name.endsWith("-definitions"));
    if (messages === undefined) {
      throw new RefusedError(`${service}: the backup holds the definitions of the broker only`, {
        class: "definitions-only",
        hint: `leave ${service} out with \`only\`, and import them into the running broker (rabbitmqctl import_definitions; restore --target has the file)`,
      });
    }
    const was = messages.details.nodeName;
    const isMade = [...makings.create, ...makings.replace].includes(service);
    const now = isMade ? nodeOfModel(model, service) : nodeOfContainer(stack, service);
    if (typeof was !== "string" || now === "unknown" || was === now) continue;
    const host = was.split("@")[1] ?? was;
    throw new RefusedError(
      `${service}: the backup is of node ${was}, and ${now === undefined ? "its new container would get a name of its own" : `this one is ${now}`}`,
      {
        class: "broker-node",
        hint: `a broker only opens the data of its own name: set \`hostname: ${host}\` in the compose file, \`docker compose up --no-start\`, and restore then`,
      },
    );
  }
}

/** Undefined where the name is as new as the container. */
function nodeOfModel({ services }: ComposeModel, service: string): string | undefined {
  const { environment, hostname } = services[service] ?? {};
  return nodeName(environment ?? {}, typeof hostname === "string" ? hostname : undefined);
}

function nodeOfContainer(
  { containers }: BrokerRequest["stack"],
  service: string,
): string | undefined {
  const found = containers.find((one) => one.service === service);
  return found === undefined ? "unknown" : nodeName(found.environment, found.hostname);
}

/**
 * The name that a node gives itself, as RabbitMQ's guide "Configuration" has it: `rabbit`, or `RABBITMQ_NODENAME`, at the
 * host's name, which is cut at its first dot unless long names are asked for.
 */
function nodeName(
  environment: Readonly<Record<string, unknown>>,
  hostname: string | undefined,
): string | undefined {
  const given = environment.RABBITMQ_NODENAME || "rabbit";
  if (typeof given !== "string" || given.includes("@")) return String(given);
  if (hostname === undefined) return undefined;
  const isLong = environment.RABBITMQ_USE_LONGNAME === "true";
  return `${given}@${isLong ? hostname : hostname.split(".")[0]}`;
}
