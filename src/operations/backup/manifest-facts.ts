import type { Component, ServiceRecord } from "../../model/manifest.ts";
import type { Stack } from "../../model/stack.ts";
import type { Engine } from "../../stack/engine.ts";
import { repoDigest } from "../../stack/images.ts";

/** What ran for each service when the backup was made. */
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

/** The server version of each service, as its components tell it. */
export function storeVersions(components: readonly Component[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const { service, details } of components) {
    if (service !== undefined && typeof details.version === "string") {
      versions[service] = details.version;
    }
  }
  return versions;
}

/** The last applied migration of each database, as its components tell it. */
export function schemaHeads(components: readonly Component[]): Record<string, string> {
  const heads: Record<string, string> = {};
  for (const { details } of components) {
    const told = details.schemaHeads;
    if (typeof told !== "object" || told === null || Array.isArray(told)) continue;
    for (const [database, head] of Object.entries(told)) {
      if (typeof head === "string") heads[database] = head;
    }
  }
  return heads;
}

/** What the components tell of the whole backup under one name; null where none does. */
export function detailOf(components: readonly Component[], name: string): string | null {
  const told = components.map(({ details }) => details[name]);
  return (
    (told.find((value) => typeof value === "string" && value !== "") as string | undefined) ?? null
  );
}
