import type { Tier } from "../model/manifest.ts";

/** Built-in knowledge about one product. Everything else is discovered, and inputs can override all values. */
interface Profile {
  readonly name: string;
  /** Image names without registry and tag. A project with a container of one of them is this product. */
  readonly gatewayImages: readonly string[];
  readonly gatewayServices: readonly string[];
  /** The variable that names the data directory on the host. */
  readonly dataVariable: string;
  /** Relative to the data directory. */
  readonly vaultKey: string;
  readonly database: string;
  readonly health: { readonly port: number; readonly path: string };
  /** The tier of a stack with these kinds of servers. */
  readonly tier: (kinds: ReadonlySet<string>) => Tier;
}

/** Sophon, from its page "Backup & Upgrade". Its names appear nowhere else in the sources. */
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
