import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel, ComposeService } from "../../model/stack.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import type { TargetContainer } from "../gate/target.ts";

/** What a service of the stack does when it is well: the yardstick for its clone. */
export interface Expectation {
  readonly ends: TargetContainer["ends"];
  /** Where its server has to answer; none where the engine's own state has to do. */
  readonly ports: readonly number[];
  /** Whether each of the ports has to answer, or any. */
  readonly needs: "all" | "any";
  readonly path: string;
  /** Whether it has to answer with success, or somehow. */
  readonly wants: "success" | "answer";
}

/** What is known of the stack that was backed up. */
interface KnownStack {
  readonly model: ComposeModel;
  readonly manifest: Pick<Manifest, "services">;
  /** Services that were asked what they hold: nobody needs to ask them for more. */
  readonly servers: ReadonlySet<string>;
  /** The ports on which the live containers of the same images listen, by service, as far as that can be seen. */
  readonly live: ReadonlyMap<string, readonly number[]>;
}

/** What each service of a clone has to do, by what it did in the stack. */
export function expectationsOf(known: KnownStack): ReadonlyMap<string, Expectation> {
  return new Map(
    Object.entries(known.model.services).map(([name, service]) => [
      name,
      expectationOf(name, service, known),
    ]),
  );
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
  // In a network that is not its own, others listen, too.
  const live = service.network_mode === undefined ? known.live.get(name) : undefined;
  // Declared, and never listened on: it is so in many a compose file.
  const both = live === undefined ? [] : declared.filter((one) => live.includes(one));
  if (both.length > 0) return { ...quiet, ports: both, needs: "all" };
  return { ...quiet, ports: live ?? declared };
}

/** A job that others wait for ends; one that had ended, and that nobody restarts, may have been one. */
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
