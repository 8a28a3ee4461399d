import { readFileSync } from "node:fs";
import { RefusedError } from "../../core/errors.ts";
import type { ContainerState } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { projectContainers } from "../../stack/discovery.ts";
import type { Engine } from "../../stack/engine.ts";
import { type HealthRequest, probe } from "../../stack/health.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import type { Dependencies } from "../session/command.ts";
import type { Seen } from "./gate.ts";
import type { PlannedContainer, UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";

const answerMs = 5_000;

/** Looks once at everything that is to run: the engine's state of it, and the health that it answers with. */
export async function look(
  engine: Engine,
  plan: Pick<UpgradePlan, "project" | "containers" | "health" | "services">,
  header: string | undefined,
  { signal }: Pick<Dependencies, "signal">,
): Promise<Seen[]> {
  const current = (await projectContainers(engine, plan.project.project)).map(({ state }) => state);
  const wanted = plan.containers.filter(({ state }) => state === "running");
  return await Promise.all(
    wanted.map(async (planned) => {
      const found = current.find(({ name }) => name === planned.name);
      const url = found === undefined ? undefined : healthUrl(plan, found);
      const request = url === undefined ? undefined : requestOf(url, plan, header);
      const running = found?.state === "running";
      const answer = request === undefined || !running ? undefined : await probe(request, signal);
      return seenOf(planned, found, answer, planned.service in plan.services);
    }),
  );
}

/** The same for a stack of which nothing was changed yet. */
export async function lookAround(
  session: UpgradeSession,
  plan: UpgradePlan,
  header: string | undefined,
): Promise<readonly Seen[]> {
  return await look(await session.host.engine(), plan, header, session.dependencies);
}

function seenOf(
  planned: PlannedContainer,
  found: ContainerState | undefined,
  answer:
    | { readonly healthy: boolean; readonly status: number; readonly detail: string }
    | undefined,
  upgraded: boolean,
): Seen {
  const base = { service: planned.service, name: planned.name, upgraded };
  if (found === undefined) {
    const none = { id: "", state: "gone", health: "none", exitCode: 0, restartCount: 0 };
    return { ...base, ...none, startedAt: "", imageId: "", good: false, detail: "no container" };
  }
  const { id, state, health, exitCode, restartCount, startedAt, imageId } = found;
  const asked = answer === undefined || answer.healthy;
  const good = state === "running" && (health === "none" || health === "healthy") && asked;
  const said = answer === undefined ? "" : `, answers ${answer.status || answer.detail}`;
  const detail = `${state}${health === "none" ? "" : `, ${health}`}${said}`;
  const answers = answer === undefined ? {} : { answers: answer.status > 0 };
  const seen = { id, state, health, exitCode, restartCount, startedAt, imageId };
  return { ...base, ...seen, good, ...answers, detail };
}

/** By the container's own address: nothing need be published. */
function healthUrl(plan: Pick<UpgradePlan, "health">, container: ContainerState) {
  if (!isGateway(sophonProfile, container.service, container.imageReference)) return undefined;
  if (plan.health.url !== undefined) return plan.health.url;
  const [address = "127.0.0.1"] = Object.values(container.addresses);
  const { port, path } = sophonProfile.health;
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}${path}`;
}

function requestOf(
  url: string,
  { health }: Pick<UpgradePlan, "health">,
  header: string | undefined,
): HealthRequest | undefined {
  // A recovery does not know the header, which is a secret: without it the request would say nothing about the
  // server, and the health that the engine knows has to do.
  if (health.header && header === undefined) return undefined;
  return { url, timeoutMs: answerMs, ...headersOf(header), ...authorityOf(health.ca) };
}

/** The headers of a health request, from the input `Name: value`. */
export function headersOf(header: string | undefined): Pick<HealthRequest, "headers"> {
  if (header === undefined) return {};
  const at = header.indexOf(":");
  return { headers: { [header.slice(0, at)]: header.slice(at + 1).trim() } };
}

function authorityOf(ca: string | undefined): Pick<HealthRequest, "ca"> {
  return ca === undefined ? {} : { ca };
}

/**
 * What the plan says about health. The authority is kept as text: a recovery at boot no longer has the job's files.
 *
 * @throws RefusedError when the file of `health-ca` cannot be read or holds no certificate.
 */
export function plannedHealth(options: Options): UpgradePlan["health"] {
  return {
    ...(options.healthUrl === undefined ? {} : { url: options.healthUrl }),
    ...(options.healthCa === undefined ? {} : { ca: readAuthority(options.healthCa) }),
    header: options.healthHeader !== undefined,
    timeoutMs: options.healthTimeoutMs,
    soakMs: options.soakMs,
  };
}

function readAuthority(path: string): string {
  const refused = (why: string, cause?: unknown) =>
    new RefusedError(`health-ca: ${path} ${why}`, {
      class: "health-ca",
      hint: "Give the PEM file of the authority that signed the certificate of health-url.",
      cause,
    });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw refused("cannot be read", cause);
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw refused("holds no certificate");
}
