import type { ComposeService } from "../model/stack.ts";
import type { ContainerFacts } from "./container-facts.ts";
import { listOf } from "./definition-values.ts";

type Host = ContainerFacts["info"]["HostConfig"];

/** The limits or reservations of `deploy.resources`. */
export function limitsOf({ deploy }: ComposeService, kind: "limits" | "reservations") {
  const { resources } = (deploy ?? {}) as { resources?: Record<string, Record<string, unknown>> };
  return resources?.[kind] ?? {};
}

/** Devices of the host as `source:target:permissions`, without those that a driver hands out. */
export function devicesOf(value: unknown): string[] {
  const all = (Array.isArray(value) ? value : []) as readonly unknown[];
  const lines = all.map((one) => {
    if (typeof one === "string") {
      const [from = "", to = from, rights = "rwm"] = one.split(":");
      return `${from}:${to}:${rights}`;
    }
    const { source, target, permissions } = one as {
      source: string;
      target?: string;
      permissions?: string;
    };
    return `${source}:${target ?? source}:${permissions ?? "rwm"}`;
  });
  // A device by its CDI name (`vendor.com/class=name`) becomes a device request.
  return listOf(lines.filter((line) => line.startsWith("/")));
}

/** {@link devicesOf} a container. */
export function enginesDevices({ Devices: devices }: Host): string[] {
  const all = (devices ?? []) as readonly Record<string, string>[];
  return listOf(
    all.map((one) => `${one.PathOnHost}:${one.PathInContainer}:${one.CgroupPermissions}`),
  );
}

/** Whether the service asks for devices that a driver of the engine hands out. */
export function hasDeviceRequests(service: ComposeService): boolean {
  const asked = [service.gpus, limitsOf(service, "reservations").devices].some(
    (value) => (Array.isArray(value) && value.length > 0) || value === "all",
  );
  const byName = Array.isArray(service.devices)
    ? service.devices.some((one) =>
        /^[^/]+\/.*=/.test(String((one as { source?: string }).source ?? one)),
      )
    : false;
  return asked || byName;
}
