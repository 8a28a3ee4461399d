import type { Component, ServiceRecord } from "../../model/manifest.ts";
import type { Stack } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { repoDigest } from "../../stack/images.ts";
import { byDatabase } from "../../stores/ef-migrations.ts";

/** Describes the containers of each service at backup time. */
export async function describeServices(
  stack: Stack,
  engine: Engine,
): Promise<Record<string, ServiceRecord>> {
  const services: Record<string, ServiceRecord> = {};
  for (const container of stack.containers) {
    const before = services[container.service];
    services[container.service] = {
      image: container.imageReference,
      imageId: container.imageId,
      repoDigest:
        before?.repoDigest ??
        (await repoDigest(engine, container.imageId, container.imageReference)),
      state: container.state,
      replicas: (before?.replicas ?? 0) + 1,
    };
  }
  return services;
}

/** The server version of each service, from its components. */
export function storeVersions(components: readonly Component[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const { service, details } of components) {
    if (service !== undefined && typeof details.version === "string") {
      versions[service] = details.version;
    }
  }
  return versions;
}

/** The last applied migration of each database, from its components, by the names of {@link byDatabase}. */
export function schemaHeads(components: readonly Component[]): Record<string, string> {
  const all = components.flatMap(({ name, store, service, details: { schemaHeads: told } }) => {
    if (typeof told !== "object" || told === null || Array.isArray(told)) return [];
    const heads = Object.entries(told).filter(([, head]) => typeof head === "string");
    // The components of a server are one store, which has the name of its service.
    const of = service !== undefined && store === "postgres" ? service : name;
    return [[of, Object.fromEntries(heads) as Record<string, string>] as const];
  });
  return byDatabase(all);
}

/** The first non-empty value of a detail in the components; null if there is none. */
export function detailOf(components: readonly Component[], name: string): string | null {
  const told = components.map(({ details }) => details[name]);
  return (
    (told.find((value) => typeof value === "string" && value !== "") as string | undefined) ?? null
  );
}

/** What a person must know of components although they are complete; told in the result, not only in the manifest. */
export function notableOf(components: readonly Component[]): string[] {
  return components.flatMap(({ name, details: { notable } }) =>
    Array.isArray(notable) ? notable.map((line) => `${name}: ${String(line)}`) : [],
  );
}
