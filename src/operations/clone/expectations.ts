import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel, ComposeService } from "../../model/stack.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import type { TargetContainer } from "../gate/target.ts";

/** What a healthy service of the stack does: its clone has to do the same. */
export interface Expectation {
  readonly ends: TargetContainer["ends"];
  /** The ports that its server has to answer on; empty if its state in the engine is enough. */
  readonly ports: readonly number[];
  /** Whether all ports have to answer, or any of them. */
  readonly needs: "all" | "any";
  readonly path: string;
  /** Whether it has to answer with success, or whether any answer is enough. */
  readonly wants: "success" | "answer";
}

/** The known facts about the stack that was backed up. */
interface KnownStack {
  readonly model: ComposeModel;
  readonly manifest: Pick<Manifest, "services">;
  /** Store servers whose content was already compared: they need no further probe. */
  readonly servers: ReadonlySet<string>;
  /** The ports that live containers with the same images listen on, by service, if visible. */
  readonly live: ReadonlyMap<string, readonly number[]>;
  /** The exit codes of services that had failed before the backup. */
  readonly failed?: Readonly<Record<string, number>> | undefined;
}

/**
 * The expectation of each service of a clone, derived from what it did in the stack. One that had failed has none: whatever
 * it does in the clone says nothing of the backup.
 */
export function expectationsOf(known: KnownStack): ReadonlyMap<string, Expectation> {
  return new Map(
    Object.entries(known.model.services)
      .filter(([name, service]) => !hadFailed(name, service, known))
      .map(([name, service]) => [name, expectationOf(name, service, known)]),
  );
}

/** A job that others wait for must succeed anyway, and a server that is started again must run. */
function hadFailed(name: string, service: ComposeService, known: KnownStack): boolean {
  return known.failed?.[name] !== undefined && endOf(name, service, known) === "may";
}

function expectationOf(name: string, service: ComposeService, known: KnownStack): Expectation {
  const ends = endOf(name, service, known);
  const quiet = { ends, ports: [], needs: "any", path: "/", wants: "answer" } as const;
  if (ends !== "never" || known.servers.has(name)) return quiet;
  const { port, path } = sophonProfile.health;
  const image = known.manifest.services[name]?.image ?? "";
  if (isGateway(sophonProfile, name, image)) {
    return { ends, ports: [port], needs: "all", path, wants: "success" };
  }
  const declared = declaredPorts(service);
  // In a shared network namespace, other containers listen as well.
  const live = service.network_mode === undefined ? known.live.get(name) : undefined;
  // Many compose files declare ports that nothing listens on: ignore these.
  const both = live === undefined ? [] : declared.filter((one) => live.includes(one));
  if (both.length > 0) return { ...quiet, ports: both, needs: "all" };
  return { ...quiet, ports: live ?? declared };
}

/** A job that others wait for must end. A container that had ended and has no restart policy may have been a job. */
function endOf(name: string, service: ComposeService, known: KnownStack): Expectation["ends"] {
  const isAwaited = Object.values(known.model.services).some(
    ({ depends_on: needs }) => needs?.[name]?.condition === "service_completed_successfully",
  );
  if (isAwaited) return "must";
  const isRestarted = /^(always|unless-stopped)/.test(String(service.restart ?? "no"));
  return known.manifest.services[name]?.state === "exited" && !isRestarted ? "may" : "never";
}

/** The container's own TCP ports that the compose file publishes or exposes, without ranges. */
function declaredPorts(service: ComposeService): number[] {
  const published = (service.ports ?? []) as readonly { target: number; protocol?: string }[];
  const exposed = ((service.expose ?? []) as readonly (string | number)[]).map(String);
  const all = [
    ...published.filter(({ protocol }) => protocol !== "udp").map(({ target }) => target),
    ...exposed
      .filter((text) => /^\d+(\/tcp)?$/.test(text))
      .map((text) => Number.parseInt(text, 10)),
  ];
  return [...new Set(all)];
}
