import type { Tier } from "../model/manifest.ts";

/** What is known of one product beforehand; everything else is found, and all of it can be overridden. */
interface Profile {
  readonly name: string;
  /** Image names without registry and tag; one of them running makes a project this product's. */
  readonly gatewayImages: readonly string[];
  readonly gatewayServices: readonly string[];
  /** The variable that names the data directory on the host. */
  readonly dataVariable: string;
  /** Relative to the data directory. */
  readonly vaultKey: string;
  readonly database: string;
  readonly health: { readonly port: number; readonly path: string };
  /** The tier of a stack that has these kinds of servers. */
  readonly tier: (kinds: ReadonlySet<string>) => Tier;
}

/** Sophon, from its page "Backup & Upgrade"; the only place in the sources that knows its names. */
export const sophonProfile: Profile = {
  name: "sophon",
  gatewayImages: ["sophon", "sophon-gateway"],
  gatewayServices: ["sophon-gateway"],
  dataVariable: "SOPHON_DATA",
  vaultKey: "security/vault.key",
  database: "data/sophon.db",
  health: { port: 8081, path: "/api/health" },
  tier: (kinds) =>
    kinds.has("redis") || kinds.has("rabbitmq")
      ? "enterprise"
      : kinds.has("postgres") || kinds.has("qdrant")
        ? "pro"
        : "personal",
};

/** The last part of an image's name: `registry:5000/vendor/name:1.2@sha256:...` is `name`. */
export function imageName(reference: string): string {
  const name = reference.split("@")[0]?.split("/").at(-1) ?? "";
  return name.split(":")[0] ?? "";
}

/** Whether this service is the product's own server. */
export function isGateway(profile: Profile, service: string, image: string): boolean {
  return (
    profile.gatewayImages.includes(imageName(image)) || profile.gatewayServices.includes(service)
  );
}
