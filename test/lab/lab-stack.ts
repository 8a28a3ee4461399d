import type { Registry } from "./registry.ts";
import type { StackSecrets } from "./secrets.ts";
import type { GatewayVersion, GoodVersion } from "./versions.ts";

/** The tiers of Sophon's guide. */
export type Tier = "personal" | "pro" | "enterprise";

/** What a lab stack is made of; all but the tier has a default. */
export interface StackOptions {
  readonly tier: Tier;
  /** A word for the project's name, which begins with `sk-` and ends in random digits. */
  readonly name: string;
  /** The gateway that runs first; default 1.1.0. */
  readonly version?: GoodVersion | GatewayVersion;
  /** True, or how many writes a second each store gets; default: no writers. */
  readonly writers?: boolean | number;
  /** False leaves the stores as a first start leaves them. */
  readonly seed?: boolean;
  /** Rows of the largest table; default 500. */
  readonly rows?: number;
  /** Small files in the data directory; default 200. */
  readonly smallFiles?: number;
  /** Bytes of further content in the data directory; default 0. */
  readonly fillBytes?: number;
  /** An empty directory to use as SOPHON_DATA, for example a file system of its own. */
  readonly dataDirectory?: string;
  /** The user that owns the project directory and the scratch directory, as `chown` takes it; needs root. */
  readonly owner?: string;
  /** Lines added to or replacing those of the project's `.env`. */
  readonly env?: Readonly<Record<string, string>>;
  /** A registry of the test's own, which it may stop; default: the one that all share. */
  readonly registry?: Registry;
  /** Changes the compose file's text before the stack starts. */
  readonly edit?: (composeFile: string) => string;
}

/** A running Sophon stack that belongs to one test. Its disposal removes everything of it. */
export interface LabStack extends AsyncDisposable {
  readonly tier: Tier;
  readonly projectName: string;
  /** The project directory: docker-compose.yml and .env, as a user would have them. */
  readonly directory: string;
  /** SOPHON_DATA on this host. */
  readonly dataDir: string;
  /** A directory of this stack for what the test makes; removed with it. */
  readonly scratch: string;
  readonly gatewayUrl: string;
  readonly qdrantUrl: string;
  readonly credentials: StackSecrets;
  /** Every secret that was seeded, in all its textual forms, for leak searches. */
  readonly secrets: readonly string[];
  readonly registry: Registry;
  /** The running configuration of `.env`. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `docker compose` in the project directory and returns its standard output. */
  compose(args: readonly string[]): Promise<string>;
  /** Id of a service's container, running or not. */
  containerId(service: string): Promise<string>;
  /** The reference that a tag of the gateway (or dashboard) has in the registry. */
  reference(tag: string, service?: "gateway" | "dashboard"): string;
  /** Builds a gateway version and pushes it under its version, or under another tag; returns the reference. */
  publish(version: GoodVersion | GatewayVersion, tag?: string): Promise<string>;
  /** Removes containers, volumes, images' tags and directories of this stack. */
  down(): Promise<void>;
}
