import { realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { withBackOff } from "../../core/back-off.ts";
import { RefusedError } from "../../core/errors.ts";
import { formatSeconds } from "../../core/format.ts";
import { namedFileLimitBytes, readRegularFile } from "../../core/regular-file.ts";
import type { TransferContext } from "../object-store.ts";
import { failureKind, failureText } from "./server-error.ts";

type Sdk = typeof import("./sdk.ts");

/** How to reach the server. Credentials are none of it: the SDK's own chain finds them. */
export interface S3Settings {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly pathStyle: boolean;
  /** How long an unreachable server is tried again, in milliseconds. */
  readonly retryForMs: number;
  /** How long a connection may stand still before it counts as broken, in milliseconds. */
  readonly stallMs: number;
}

/**
 * A refused digest may be one flipped bit on the way; more of them are no accident. The SDK signs with the server's clock after
 * the first answer that tells it.
 */
const fewAttempts = 3;
const connectMs = 10_000;

/** A connection to one server. */
export interface S3Connection {
  readonly sdk: Sdk;
  readonly client: InstanceType<Sdk["S3Client"]>;
  /** SHA-256 of request bodies, hex; the body is the key. */
  readonly digests: WeakMap<object, string>;
  /** Sends a request, made anew for each attempt, until it is answered with something that trying again cannot change. */
  send<T>(
    request: () => Promise<T>,
    context: TransferContext,
    how?: { readonly isDigestFinal?: boolean },
  ): Promise<T>;
}

/**
 * Opens a connection. Nothing is sent yet.
 */
export async function connectS3(
  settings: S3Settings,
  { reporter }: Pick<TransferContext, "reporter">,
): Promise<S3Connection> {
  const { endpoint, region, pathStyle, retryForMs, stallMs } = settings;
  const sdk = await import("./sdk.ts");
  const signedFor = region ?? regionFor(endpoint);
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(signedFor === undefined ? {} : { region: signedFor }),
    forcePathStyle: pathStyle,
    // Several servers refuse the checksum that the SDK would add by itself.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    followRegionRedirects: false,
    // The SDK gives up within a second; `send` tries again for minutes.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: connectMs, socketTimeout: stallMs },
  });
  await requireRegion(client);
  for (const secret of await tokensInFiles()) reporter.secret(secret);
  guard(client, (secret) => reporter.secret(secret));
  const digests = new WeakMap<object, string>();
  client.middlewareStack.add(
    (next) => (args) => {
      const { Body } = args.input as { Body?: unknown };
      const digest = typeof Body === "object" && Body !== null ? digests.get(Body) : undefined;
      const { headers } = args.request as { headers: Record<string, string> };
      if (digest !== undefined) headers["x-amz-content-sha256"] = digest;
      return next(args);
    },
    { step: "build", name: "signPayload" },
  );
  const send: S3Connection["send"] = (request, context, { isDigestFinal = false } = {}) =>
    withBackOff(request, {
      clock: context.clock,
      signal: context.signal,
      forMs: retryForMs,
      isTransient: (error, attempt) => {
        const kind = failureKind(error);
        if (kind === "transient") return true;
        const isWorthIt = kind === "clock" || (kind === "digest" && !isDigestFinal);
        return isWorthIt && attempt < fewAttempts;
      },
      tell: (error, waitMs) =>
        context.reporter.info(
          `${failureText(error)}; trying again in ${formatSeconds(waitMs / 1000)}`,
        ),
    });
  return { sdk, client, digests, send };
}

/** The server that the environment names for every AWS tool; empty or undefined: Amazon's. */
export function endpointOfEnvironment(): string | undefined {
  // biome-ignore lint/style/noProcessEnv: the variables that the SDK itself reads
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  return AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || undefined;
}

/** The profile of the shared configuration, which may name a server, too; empty: the usual one. */
export function profileOfEnvironment(): string {
  // biome-ignore lint/style/noProcessEnv: the variable that the SDK itself reads
  return process.env.AWS_PROFILE ?? "";
}

/** A server of one's own takes any region, but a signature needs one. */
function regionFor(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  // biome-ignore lint/style/noProcessEnv: the variables that the SDK itself reads
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  return AWS_REGION ?? AWS_DEFAULT_REGION ?? "us-east-1";
}

async function requireRegion(client: InstanceType<Sdk["S3Client"]>): Promise<void> {
  try {
    await client.config.region();
  } catch (cause) {
    throw new RefusedError("the region of the bucket is not known", {
      class: "no-region",
      hint: "Give upload-region, or set AWS_REGION.",
      evidence: failureText(cause),
      cause,
    });
  }
}

/** The tokens that credentials are asked for with: the SDK reads them by itself, and a server may repeat them. */
async function tokensInFiles(): Promise<string[]> {
  // biome-ignore lint/style/noProcessEnv: the variables that the SDK itself reads
  const { AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE } = process.env;
  const named = [AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE];
  const texts = await Promise.all([...named, ...(await tokenFilesOfProfiles())].map(textOf));
  return texts.map((text) => text.trim()).filter((text) => text !== "");
}

/** The files with a web identity that any profile of the shared configuration names. */
async function tokenFilesOfProfiles(): Promise<string[]> {
  // biome-ignore lint/style/noProcessEnv: the variables that the SDK itself reads
  const { HOME, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE } = process.env;
  const folder = join(HOME ?? homedir(), ".aws");
  const files = [
    AWS_CONFIG_FILE ?? join(folder, "config"),
    AWS_SHARED_CREDENTIALS_FILE ?? join(folder, "credentials"),
  ];
  const lines = (await Promise.all(files.map(textOf))).join("\n");
  return [...lines.matchAll(/^\s*web_identity_token_file\s*=\s*(.+)$/gm)].map(([, path = ""]) =>
    path.trim(),
  );
}

/** Empty for a file that cannot be read: what is wrong with it, the SDK tells. */
async function textOf(path: string | undefined): Promise<string> {
  if (path === undefined) return "";
  try {
    // A cluster mounts it as a link.
    return await readRegularFile(await realpath(path), namedFileLimitBytes);
  } catch {
    return "";
  }
}

/** Masks the credentials before the first request, and lets no request leave this host in the clear. */
function guard(client: InstanceType<Sdk["S3Client"]>, mask: (secret: string) => void): void {
  const masked = new Set<string>();
  client.middlewareStack.add(
    (next) => async (args) => {
      const { accessKeyId, secretAccessKey, sessionToken } = await credentialsOf(client);
      for (const secret of [accessKeyId, secretAccessKey, sessionToken]) {
        if (secret === undefined || masked.has(secret)) continue;
        masked.add(secret);
        mask(secret);
      }
      return await next(args);
    },
    { step: "initialize", name: "maskCredentials", priority: "high" },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname } = args.request as { protocol: string; hostname: string };
      refuseInsecure({ protocol, hostname });
      return await next(args);
    },
    { step: "finalizeRequest", name: "refuseInsecure", priority: "high" },
  );
}

async function credentialsOf(client: InstanceType<Sdk["S3Client"]>) {
  try {
    return await client.config.credentials();
  } catch (cause) {
    throw new RefusedError("no credentials for the bucket were found", {
      class: "no-credentials",
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use aws-actions/configure-aws-credentials in a step before, or a profile of the AWS configuration.",
      evidence: failureText(cause),
      cause,
    });
  }
}

/** @throws RefusedError for a URL that would send in the clear what leaves this host. */
export function refuseInsecure({
  protocol,
  hostname,
}: {
  readonly protocol: string;
  readonly hostname: string;
}): void {
  if (protocol === "https:") return;
  const isLoopback = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$|\.localhost$/.test(hostname);
  if (protocol === "http:" && isLoopback) return;
  throw new RefusedError(
    `upload-endpoint: ${protocol}//${hostname} is not encrypted: give an https:// URL`,
    { class: "insecure-endpoint" },
  );
}
