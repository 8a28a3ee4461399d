import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, Stack } from "../../model/stack.ts";
import type { BackedUpStore } from "../scratch/stores.ts";
import type { Makings } from "./stack.ts";

/** What is known of the brokers of a stack before anything is changed. */
export interface BrokerRequest {
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
  const { environment = {}, hostname } = services[service] ?? {};
  const name = environment?.RABBITMQ_NODENAME;
  if (typeof name === "string" && name !== "") return name;
  return typeof hostname === "string" ? `rabbit@${hostname}` : undefined;
}

function nodeOfContainer({ containers }: BrokerRequest["stack"], service: string): string {
  const found = containers.find((one) => one.service === service);
  if (found === undefined) return "unknown";
  return found.environment.RABBITMQ_NODENAME || `rabbit@${found.hostname}`;
}
