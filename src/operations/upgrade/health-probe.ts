import { readFileSync } from "node:fs";
import { RefusedError } from "../../core/errors.ts";
import type { ContainerState } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { HealthRequest } from "../../stack/health.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import type { UpgradePlan } from "./journal.ts";

const answerMs = 5_000;

/** The health request for a container; undefined if only the engine knows its health. */
export function healthRequest(
  plan: Pick<UpgradePlan, "health">,
  container: ContainerState,
  header: string | undefined,
): HealthRequest | undefined {
  const url = healthUrl(plan, container);
  return url === undefined ? undefined : requestOf(url, plan, header);
}

/** Uses the container's own address, so that no port has to be published. */
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
  // A recovery does not know the header, which is a secret. A request without it proves nothing, so rely on the
  // engine's health state.
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
 * The health settings of the plan. The CA is stored as text: a recovery at boot no longer has the job's files.
 *
 * @throws RefusedError when the `health-ca` file cannot be read or contains no certificate.
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
      hint: "Give the PEM file of the CA that signed the certificate of health-url.",
      cause,
    });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw refused("cannot be read", cause);
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw refused("contains no certificate");
}
