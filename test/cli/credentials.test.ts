// @module-tag exhaustive
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { onLoopback, shutDown } from "../lab/loopback-server.ts";
import { keeper } from "./keeper.ts";
import { type SealedRepository, sealedRepository } from "./sealed-repository.ts";

// Credentials are no input: the chain of the SDK finds them, also in the bundle, which loads a provider only when it is needed.

const found = {
  accessKeyId: "AKIDFOUNDBYTHECHAIN",
  secretAccessKey: "c2VjcmV0LW9mLW5vYm9keS1mb3ItdGhlLWNoYWlu",
  sessionToken: "dG9rZW4tb2Ytbm9ib2R5LWZvci10aGUtY2hhaW4",
};
const expiration = "2099-01-01T00:00:00Z";

const containerToken = "Basic b2Ytbm9ib2R5LWZvci1hLWNvbnRhaW5lcg";
const webToken = "eyJhbGciOiJSUzI1NiJ9.b2Ytbm9ib2R5.c2lnbmVkLWJ5LW5vYm9keQ";

/** A bucket that lets nobody in, and everything that hands out credentials. */
class Cloud implements AsyncDisposable {
  /** The `authorization` of each request for the bucket, and its session token. */
  readonly seen: string[] = [];
  readonly #isEcho: boolean;
  readonly #server = createServer(async (request, response) => {
    const { url = "", headers } = request;
    const xml = (status: number, body: string) =>
      response.writeHead(status, { "content-type": "text/xml" }).end(body);
    const sent = await text(request);
    if (this.#isEcho) {
      const told = `${sent} ${Object.values(headers).join(" ")}`.replaceAll(/[<&]/g, " ");
      return void xml(400, `<Error><Code>Odd</Code><Message>${told}</Message></Error>`);
    }
    if (url.startsWith("/bucket")) {
      this.seen.push(`${headers.authorization} ${headers["x-amz-security-token"]}`);
      return void xml(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
    }
    const { accessKeyId, secretAccessKey, sessionToken } = found;
    if (url === "/") {
      const credentials = `<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${expiration}</Expiration>`;
      const about =
        "<AssumedRoleUser><AssumedRoleId>i</AssumedRoleId><Arn>a</Arn></AssumedRoleUser>";
      const result = `<AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials>${about}</AssumeRoleWithWebIdentityResult>`;
      const answer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</AssumeRoleWithWebIdentityResponse>`;
      return void xml(200, answer);
    }
    if (url === "/latest/api/token") {
      response.setHeader("x-aws-ec2-metadata-token-ttl-seconds", "21600");
      return void response.end("a-token-for-metadata");
    }
    if (/^\/latest\/meta-data\/iam\/security-credentials\/?$/.test(url)) {
      return void response.end("the-role");
    }
    const told = {
      ...{ Code: "Success", LastUpdated: "2026-03-01T00:00:00Z", Type: "AWS-HMAC" },
      ...{ AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken },
      Expiration: expiration,
    };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(told));
  });

  /** @param isEcho - it hands out nothing, and repeats what it was sent */
  constructor(isEcho = false) {
    this.#isEcho = isEcho;
  }

  async start(): Promise<string> {
    return await onLoopback(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await shutDown(this.#server);
  }
}

type Environment = (endpoint: string, folder: string) => Readonly<Record<string, string>>;

const ways: readonly (readonly [string, Environment])[] = [
  [
    "the environment, as aws-actions/configure-aws-credentials leaves it",
    () => ({
      AWS_ACCESS_KEY_ID: found.accessKeyId,
      AWS_SECRET_ACCESS_KEY: found.secretAccessKey,
      AWS_SESSION_TOKEN: found.sessionToken,
    }),
  ],
  [
    "a profile of the shared configuration",
    (_, folder) => ({
      AWS_SHARED_CREDENTIALS_FILE: join(folder, "credentials"),
      AWS_CONFIG_FILE: join(folder, "config"),
      AWS_PROFILE: "off-site",
    }),
  ],
  [
    "a program that the shared configuration names",
    (_, folder) => ({ AWS_CONFIG_FILE: join(folder, "config"), AWS_PROFILE: "by-program" }),
  ],
  [
    "a web identity",
    (endpoint, folder) => ({
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "web-token"),
      ...{ AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/backup", AWS_REGION: "eu-central-1" },
      AWS_ENDPOINT_URL_STS: endpoint,
    }),
  ],
  [
    "a web identity that a profile names",
    (endpoint, folder) => ({
      ...{ AWS_CONFIG_FILE: join(folder, "config"), AWS_PROFILE: "by-identity" },
      AWS_ENDPOINT_URL_STS: endpoint,
    }),
  ],
  [
    "a container that finds its token in a file",
    (endpoint, folder) => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/container`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, "web-token"),
    }),
  ],
  [
    "a container",
    (endpoint) => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/container`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: containerToken,
    }),
  ],
  ["an instance role", (endpoint) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint })],
];

it.each(ways)("finds the credentials of %s, and tells none of them", async (_name, environment) => {
  await using made = await sealedRepository();
  await made.add("2026-03-01");
  await using cloud = new Cloud();
  const endpoint = await cloud.start();
  await using aws = await sharedConfiguration();
  const run = await upload(made, endpoint, aws.path, environment(endpoint, aws.path));
  const { accessKeyId, secretAccessKey, sessionToken } = found;
  expect(run.code, run.stderr).toBe(3);
  expect(JSON.parse(run.stdout).reason).toMatchObject({ class: "denied" });
  expect(cloud.seen.length).toBeGreaterThan(0);
  for (const one of cloud.seen) {
    expect(one).toContain(`Credential=${accessKeyId}/`);
    expect(one.endsWith(` ${sessionToken}`)).toBe(true);
  }
  for (const secret of [secretAccessKey, sessionToken]) {
    expect(run.stdout + run.stderr).not.toContain(secret);
  }
});

it.each(ways)(
  "tells nothing of what a server repeats that it was sent: %s",
  async (_name, environment) => {
    await using made = await sealedRepository();
    await made.add("2026-03-01");
    await using cloud = new Cloud(true);
    const endpoint = await cloud.start();
    await using aws = await sharedConfiguration();
    const run = await upload(made, endpoint, aws.path, environment(endpoint, aws.path));
    expect(run.code, run.stderr).toBe(3);
    for (const secret of [found.secretAccessKey, found.sessionToken, webToken, containerToken]) {
      expect(run.stdout + run.stderr).not.toContain(secret);
    }
  },
);

/** Sends what is in a repository to the bucket of a cloud. */
async function upload(
  { repository, signKey }: SealedRepository,
  endpoint: string,
  home: string,
  environment: Readonly<Record<string, string>>,
) {
  const args = [
    ...["upload", "--json", "--repository", repository.path, "--sign-key", signKey],
    ...["--upload-to", "s3://bucket/off/site", "--upload-endpoint", endpoint],
    ...["--upload-path-style", "--upload-retry", "1s"],
  ];
  const env = { HOME: home, SOPHON_KEEPER_DEBUG: "1", ...environment };
  return await keeper(args, { env });
}

/** The files in which AWS tools find credentials. */
async function sharedConfiguration(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "sophon-keeper-aws-"));
  const { accessKeyId, secretAccessKey, sessionToken } = found;
  const lines = [
    `aws_access_key_id = ${accessKeyId}`,
    `aws_secret_access_key = ${secretAccessKey}`,
    `aws_session_token = ${sessionToken}`,
  ];
  await writeFile(join(folder, "credentials"), `[off-site]\n${lines.join("\n")}\n`);
  const told = {
    ...{ Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey },
    ...{ SessionToken: sessionToken, Expiration: expiration },
  };
  await writeFile(join(folder, "told.json"), JSON.stringify(told));
  const program = `credential_process = cat ${join(folder, "told.json")}`;
  const identity = [
    ...["role_arn = arn:aws:iam::123456789012:role/backup", "region = eu-central-1"],
    `web_identity_token_file = ${join(folder, "web-token")}`,
  ];
  const profiles = {
    ...{ "off-site": "region = eu-central-1", "by-program": program },
    "by-identity": identity.join("\n"),
  };
  const sections = Object.entries(profiles).map(([name, text]) => `[profile ${name}]\n${text}\n`);
  await writeFile(join(folder, "config"), sections.join("\n"));
  await writeFile(join(folder, "web-token"), webToken);
  return {
    path: folder,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
