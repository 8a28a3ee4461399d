import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { sha256Hex } from "../../src/core/hash.ts";
import { newSignKey } from "../../src/core/ssh-signature.ts";
import { S3Proxy } from "../lab/s3-proxy.ts";
import { S3Server } from "../lab/s3-server.ts";
import { until } from "../lab/step.ts";
import { keeper, shipped } from "./keeper.ts";
import { type SealedRepository, sealedRepository } from "./sealed-repository.ts";

// A bucket from the command line, without an engine.

const secrets = {
  AWS_ACCESS_KEY_ID: "AKIDSOPHONKEEPERTEST",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  AWS_SESSION_TOKEN: "FwoGZXIvYXdzEXAMPLE/token//////////wEaDM",
};
const env = {
  ...secrets,
  DOCKER_HOST: "unix:///nonexistent/docker.sock",
  HOME: "/nonexistent",
  AWS_EC2_METADATA_DISABLED: "true",
};

function flags({ repository, signKey }: SealedRepository, endpoint: string): string[] {
  return [
    ...["--json", "--repository", repository.path, "--upload-to", "s3://bucket/off/site"],
    ...["--sign-key", signKey],
    ...["--upload-endpoint", endpoint, "--upload-path-style", "--upload-retry", "1s"],
  ];
}

it("sends a backup, proves it there, marks it, and finds nothing left to do", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const id = await made.add("2026-03-01");
  const run = await keeper(["upload", ...flags(made, server.endpoint)], { env });
  expect(run.code, run.stderr).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({
    result: "uploaded",
    uploads: [
      { backupId: id, to: "s3://bucket/off/site", name: `stack/backups/${id}`, proof: "sha256" },
    ],
  });
  const key = (file: string) => `off/site/stack/backups/${id}/${file}`;
  const sent = await readFile(join(made.repository.directory(id), "data.tar.zst.age"));
  expect(server.content(key("data.tar.zst.age"))?.equals(sent)).toBe(true);
  expect(server.content(key("SHA256SUMS"))?.toString()).toMatch(
    /^[0-9a-f]{64} {2}data.tar.zst.age\n/,
  );
  expect(server.content(key("manifest.json"))).toBeUndefined();
  const { marks } = await made.repository.read(id);
  expect(marks).toMatchObject({
    level: "checksum",
    remotes: { "s3://bucket/off/site": { proof: "sha256" } },
  });
  const again = await keeper(["upload", "--backup", "all", ...flags(made, server.endpoint)], {
    env,
  });
  expect(JSON.parse(again.stdout)).toMatchObject({ result: "unchanged", uploads: [] });
});

it("sends again what somebody has removed there, and only that", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const ids = [await made.add("2026-03-01"), await made.add("2026-03-02")];
  const all = ["upload", "--backup", "all", ...flags(made, server.endpoint)];
  await keeper(all, { env });
  const sent = [...server.objects.keys()].filter((key) => key.includes(`/${ids[0]}/`));
  for (const key of sent) server.objects.delete(key);
  const again = await keeper(all, { env });
  expect(again.code, again.stderr).toBe(0);
  const { uploads } = JSON.parse(again.stdout) as { uploads: { backupId: string }[] };
  expect(uploads.map(({ backupId }) => backupId)).toEqual([ids[0]]);
  expect([...server.objects.keys()].filter((key) => key.includes(`/${ids[0]}/`))).toEqual(
    expect.arrayContaining(sent),
  );
  const third = await keeper(all, { env });
  expect(JSON.parse(third.stdout)).toMatchObject({ result: "unchanged", uploads: [] });
});

it("sends all good ones, and none that is not encrypted or damaged", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const first = await made.add("2026-03-01");
  await made.add("2026-03-02", { plain: true });
  const damaged = await made.add("2026-03-03");
  await writeFile(join(made.repository.directory(damaged), "data.tar.zst.age"), "short");
  const last = await made.add("2026-03-04");
  const run = await keeper(["upload", "--backup", "all", ...flags(made, server.endpoint)], { env });
  expect(run.code, run.stderr).toBe(0);
  const { uploads } = JSON.parse(run.stdout) as { uploads: { backupId: string }[] };
  expect(uploads.map(({ backupId }) => backupId)).toEqual([first, last]);
});

it("calls a backup damaged only if it is: not one that a newer version made", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const newer = await made.add("2026-03-01");
  const short = await made.add("2026-03-02");
  const manifest = join(made.repository.directory(newer), "manifest.json");
  const text = await readFile(manifest, "utf8");
  await writeFile(manifest, text.replace(/"schemaVersion": \d+/, '"schemaVersion": 9'));
  await writeFile(join(made.repository.directory(short), "data.tar.zst.age"), "short");
  const classOf = async (id: string) => {
    const run = await keeper(["upload", "--backup", id, ...flags(made, server.endpoint)], { env });
    return [run.code, JSON.parse(run.stdout).reason.class];
  };
  expect([await classOf(newer), await classOf(short)]).toEqual([
    [3, "unverifiable"],
    [3, "damaged"],
  ]);
});

it("tells no secret: not in its output, not in the list of processes", async () => {
  await using made = await sealedRepository();
  await made.add("2026-03-01");
  const seen: string[] = [];
  // The server answers as one that repeats what it was sent, while the process can be looked at.
  const echo = createServer(async (request, response) => {
    seen.push(...(await commandLines()));
    const told = `${secrets.AWS_SECRET_ACCESS_KEY} ${secrets.AWS_SESSION_TOKEN} ${JSON.stringify(request.headers)}`;
    response.writeHead(400, { "content-type": "application/xml" });
    response.end(`<Error><Code>Odd</Code><Message>${told.replaceAll("<", "")}</Message></Error>`);
  }).listen(0, "127.0.0.1");
  await once(echo, "listening");
  const endpoint = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
  const args = [join(await shipped(), "cli.js"), "upload", ...flags(made, endpoint)];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...env, SOPHON_KEEPER_DEBUG: "1" },
  });
  let output = "";
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  echo.closeAllConnections();
  echo.close();
  expect(code).toBe(3);
  expect(seen.length).toBeGreaterThan(0);
  for (const secret of Object.values(secrets)) {
    expect(output).not.toContain(secret);
    expect(seen.join()).not.toContain(secret);
  }
});

it("tells no secret that rclone repeats, and gives it none as an argument", async () => {
  await using made = await sealedRepository();
  await made.add("2026-03-01");
  const folder = await mkdtemp(join(tmpdir(), "sophon-keeper-rclone-"));
  try {
    const given = {
      RCLONE_CONFIG_PASS: "of-the-configuration",
      RCLONE_CONFIG_OFFSITE_PASS: "of-the-remote",
      HTTPS_PROXY: "http://me:of%2Fthe%2Fproxy@proxy.example:3128",
    };
    const told = Object.keys(given).map((name) => `$${name}`);
    const echo = [`echo "$*" >> ${join(folder, "arguments")}`, `echo "${told.join(" ")}" >&2`];
    const script = ["#!/bin/sh", ...echo, "exit 1", ""].join("\n");
    await writeFile(join(folder, "rclone"), script, { mode: 0o755 });
    const args = [
      ...["upload", "--json", "--repository", made.repository.path, "--sign-key", made.signKey],
      ...["--upload-to", "rclone:offsite:there", "--upload-retry", "1s"],
    ];
    const path = { PATH: `${folder}:${process.env.PATH}`, SOPHON_KEEPER_DEBUG: "1" };
    const run = await keeper(args, { env: { ...env, ...path, ...given } });
    expect(run.code, run.stderr).toBe(3);
    expect(JSON.parse(run.stdout).reason.message).toContain("*** *** http://me:***@proxy.example");
    const seen = run.stdout + run.stderr + (await readFile(join(folder, "arguments"), "utf8"));
    for (const secret of ["of-the-configuration", "of-the-remote", "of%2Fthe", "of/the"]) {
      expect(seen).not.toContain(secret);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it("tells no secret in a step: not in its log, its outputs, its summary", async () => {
  await using made = await sealedRepository();
  const id = await made.add("2026-03-01");
  await using server = await S3Server.start();
  const seen: string[] = [];
  const looking: Promise<unknown>[] = [];
  server.onRequest = () => {
    looking.push(commandLines().then((lines) => seen.push(...lines)));
  };
  const told = await mkdtemp(join(tmpdir(), "sophon-keeper-step-"));
  const output = join(told, "output");
  const summary = join(told, "summary");
  const event = join(told, "event");
  for (const file of [output, summary]) await writeFile(file, "");
  await writeFile(event, "{}");
  const inputs = {
    ...{ mode: "upload", repository: made.repository.path, "sign-key": made.signKey },
    ...{ "upload-to": "s3://bucket/off/site", "upload-endpoint": server.endpoint },
    "upload-path-style": "true",
  };
  const child = spawn(process.execPath, [join(await shipped(), "main.js")], {
    env: {
      ...{ PATH: process.env.PATH, ...env, ACTIONS_STEP_DEBUG: "true", RUNNER_DEBUG: "1" },
      ...{ GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: summary, GITHUB_WORKSPACE: told },
      ...{ GITHUB_EVENT_NAME: "schedule", GITHUB_EVENT_PATH: event, GITHUB_ACTIONS: "true" },
      ...Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
      ),
    },
  });
  const texts = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await once(child, "close");
  const log = (await texts).join("\n");
  expect(code, log).toBe(0);
  await Promise.all(looking);
  expect(seen.join("\n")).toContain("main.js");
  // The runner takes these lines out of the log, and whatever they name.
  const shown = log.replaceAll(/^::add-mask::.*$/gm, "");
  expect(shown).toContain(id);
  const written = [await readFile(output, "utf8"), await readFile(summary, "utf8")];
  expect(written.join("\n")).toContain("s3://bucket/off/site");
  for (const secret of Object.values(secrets)) {
    for (const where of [shown, ...written, ...seen]) expect(where).not.toContain(secret);
  }
  await rm(told, { recursive: true, force: true });
});

/** Of every process that this user can see. */
async function commandLines(): Promise<string[]> {
  const found = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return await Promise.all(
    found.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
}

it.each([
  ["http://192.0.2.1:9000", 2, "is not encrypted: give an https:// URL"],
  ["ftp://127.0.0.1", 2, "write a URL that starts with http"],
])("sends nothing to %s", async (endpoint, code, message) => {
  await using made = await sealedRepository();
  await made.add("2026-03-01");
  const run = await keeper(["upload", ...flags(made, endpoint)], { env });
  expect(run.code).toBe(code);
  expect(JSON.parse(run.stdout).reason.message).toContain(message);
});

it("follows no redirect", async () => {
  await using made = await sealedRepository();
  await made.add("2026-03-01");
  await using other = await S3Server.start();
  const redirect = createServer((request, response) => {
    response.writeHead(307, { location: `${other.endpoint}${request.url}` }).end();
  }).listen(0, "127.0.0.1");
  await once(redirect, "listening");
  const endpoint = `http://127.0.0.1:${(redirect.address() as AddressInfo).port}`;
  const run = await keeper(["upload", ...flags(made, endpoint)], { env });
  redirect.closeAllConnections();
  redirect.close();
  expect(run.code).toBe(3);
  expect(JSON.parse(run.stdout).reason).toMatchObject({ class: "redirect" });
  expect(other.requests).toEqual([]);
});

it("fails with exit 3 while the bucket is down or closed, and sends what is missing later", async () => {
  await using made = await sealedRepository();
  const id = await made.add("2026-03-01");
  const down = await keeper(["upload", ...flags(made, "http://127.0.0.1:9")], { env });
  expect(down.code).toBe(3);
  expect(JSON.parse(down.stdout)).toMatchObject({
    result: "upload-failed",
    reason: { class: "unreachable" },
  });
  const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _key, ...without } = env;
  const closed = await keeper(["upload", ...flags(made, "http://127.0.0.1:9")], { env: without });
  expect(closed.code).toBe(3);
  expect(JSON.parse(closed.stdout).reason).toMatchObject({ class: "no-credentials" });
  await using server = await S3Server.start();
  const run = await keeper(["upload", "--backup", id, ...flags(made, server.endpoint)], { env });
  expect(run.code, run.stderr).toBe(0);
});

it("locks what it sends, and sends nothing where nothing can be locked", async () => {
  await using made = await sealedRepository();
  const id = await made.add("2026-03-01");
  const lock = ["--upload-lock", "compliance", "--upload-lock-days", "30"];
  await using without = await S3Server.start();
  const refused = await keeper(["upload", ...flags(made, without.endpoint), ...lock], { env });
  expect(refused.code).toBe(3);
  expect(JSON.parse(refused.stdout).reason).toMatchObject({ class: "no-lock" });
  expect([...without.objects.keys()].filter((key) => !key.includes(".probe"))).toEqual([]);
  await using server = await S3Server.start({ lock: true, versions: true });
  const run = await keeper(["upload", ...flags(made, server.endpoint), ...lock], { env });
  expect(run.code, run.stderr).toBe(0);
  const day = 24 * 60 * 60 * 1000;
  for (const [key, [object]] of server.objects) {
    if (key.includes(".probe")) continue;
    expect(key).toContain(id);
    expect(object?.lock?.mode).toBe("COMPLIANCE");
    expect(Date.parse(object?.lock?.until ?? "") - Date.now()).toBeGreaterThan(29 * day);
  }
});

it("plans what it would send, and until when it would be locked, and asks the bucket nothing", async () => {
  await using made = await sealedRepository();
  const id = await made.add("2026-03-01");
  await using server = await S3Server.start({ lock: true, versions: true });
  const lock = ["--upload-lock", "compliance", "--upload-lock-days", "30"];
  const plan = ["upload", "--dry-run", ...flags(made, server.endpoint), ...lock];
  const run = await keeper(plan, { env });
  expect(run.code, run.stderr).toBe(0);
  const { result, plan: planned } = JSON.parse(run.stdout);
  expect(result).toBe("planned");
  expect(planned).toMatchObject([{ id, to: "s3://bucket/off/site", lock: "compliance" }]);
  const days = (Date.parse(planned[0].lockedUntil) - Date.now()) / (24 * 60 * 60 * 1000);
  expect(days).toBeGreaterThan(29.9);
  expect(server.requests).toEqual([]);
  expect((await made.repository.read(id)).marks?.remotes).toBeUndefined();
});

it.each([
  [["--upload-to", "bucket/prefix"], 'upload-to is "bucket/prefix": write s3://BUCKET/PREFIX'],
  [["--upload-to", "s3://UPPER/x"], 'upload-to is "s3://UPPER/x": write s3://BUCKET/PREFIX'],
  [["--upload-to", "s3://bucket/../x"], "write s3://BUCKET/PREFIX"],
  [["--upload-to", "s3://AK:SECRETSECRET@bucket/x"], 'upload-to is "s3://***@bucket/x"'],
  [["--upload-to", "s3://AK:SECRET/SECRETSECRET@bucket/x"], 'upload-to is "s3://***@bucket/x"'],
  [["--upload-to", "s3://bucket/für uns"], "the prefix has the part"],
  [["--upload-to", "s3://my_bucket/x"], "no bucket is called that"],
  [["--upload-to", "s3:///x"], "no bucket is called that"],
  [
    ["--upload-to", "s3://bucket", "--upload-endpoint", "https://me:SECRETSECRET@host"],
    "leave it out, because credentials are found as by every AWS tool",
  ],
  [
    ["--upload-to", "s3://bucket", "--upload-endpoint", "me:SECRET/SECRETSECRET@host"],
    'upload-endpoint is "***@host"',
  ],
  [[], "upload has no destination: give upload-to"],
  [["--upload-to", "rclone:off-site:x"], "the program rclone is not on the PATH"],
  [["--upload-to", "rclone::sftp,pass=x:y"], "upload-to is not rclone:REMOTE:PATH"],
  [["--upload", "rclone", "--upload-to", "s3://bucket"], "give upload-to rclone:REMOTE:PATH"],
  [
    ["--upload-to", "rclone:a:b", "--upload-lock", "governance", "--upload-lock-days", "3"],
    "upload-lock needs a bucket that locks",
  ],
  [["--upload", "s3"], "upload is s3, but upload-to names no place for it"],
  [["--upload", "artifact", "--upload-to", "s3://bucket"], "works only in a step of the action"],
  [["--upload-to", "s3://bucket", "--upload-lock", "governance"], "belong together"],
  [["--upload-to", "s3://bucket", "--upload-limit", "5"], "upload-limit is"],
])("refuses %j", async (args, message) => {
  await using made = await sealedRepository();
  const where = ["--repository", made.repository.path];
  const run = await keeper(["upload", "--json", ...where, ...args], { env });
  expect(run.code, run.stderr).toBe(2);
  expect(JSON.parse(run.stdout).reason.message).toContain(message);
  expect(run.stdout + run.stderr).not.toContain("SECRETSECRET");
});

it.each([
  ["s3://bucket/latest", "write s3://BUCKET/PREFIX/PROJECT/ID"],
  ["s3://bucket/stack-20260301T021700Z-00aa", "write s3://BUCKET/PREFIX/PROJECT/ID"],
  ["s3://bucket/off/site/stack", "write s3://BUCKET/PREFIX/PROJECT/ID"],
  ["s3://AK:SECRETSECRET@bucket/stack/newest", 'backup is "s3://***@bucket/stack/newest"'],
  ["s3://bucket/p/../stack/latest", "write s3://BUCKET/PREFIX"],
  ["rclone:latest", "write s3://BUCKET/PREFIX/PROJECT/ID"],
])("reads nothing at %s, and says how it is written", async (address, message) => {
  const run = await keeper(["verify", "--json", "--level", "checksum", "--backup", address], {
    env,
  });
  expect(run.code, run.stderr).toBe(2);
  expect(JSON.parse(run.stdout).reason.message).toContain(message);
  expect(run.stdout + run.stderr).not.toContain("SECRETSECRET");
});

it("takes addresses with slashes too many, and the folder that stands in them", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const id = await made.add("2026-03-01");
  await keeper(["upload", ...flags(made, server.endpoint)], { env });
  for (const address of [
    `s3://bucket/off/site/stack/${id}/`,
    `s3://bucket//off//site/stack/${id}`,
    `s3://bucket/off/site/stack/backups/${id}`,
    "s3://bucket/off/site/stack/latest/",
  ]) {
    const verify = ["verify", "--level", "checksum", "--backup", address];
    const run = await keeper([...verify, ...where(server.endpoint)], { env });
    expect(run.code, run.stderr).toBe(0);
  }
});

const where = (endpoint: string) => [
  ...["--json", "--upload-endpoint", endpoint, "--upload-path-style", "--upload-retry", "1s"],
];

it("lists and verifies what is in the bucket, without a repository", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const first = await made.add("2026-03-01");
  const last = await made.add("2026-03-02");
  await keeper(["upload", "--backup", "all", ...flags(made, server.endpoint)], { env });
  for (const address of ["s3://bucket/off/site", "s3://bucket/off/site/stack"]) {
    const run = await keeper(["list", "--backup", address, ...where(server.endpoint)], { env });
    expect(run.code, run.stderr).toBe(0);
    const { result, backups } = JSON.parse(run.stdout);
    expect(result).toBe("listed");
    expect(backups.map(({ id }: { id: string }) => id)).toEqual([last, first]);
    expect(backups[0].path).toBe(`s3://bucket/off/site/stack/${last}`);
  }
  const key = { SOPHON_KEEPER_IDENTITY: made.identity };
  const latest = ["verify", "--level", "checksum", "--backup", "s3://bucket/off/site/stack/latest"];
  for (const given of [env, { ...env, ...key }]) {
    const run = await keeper([...latest, ...where(server.endpoint)], { env: given });
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({
      result: "verified",
      level: "checksum",
      backupId: last,
    });
  }
  const old = await keeper([...latest, "--max-age", "36h", ...where(server.endpoint)], { env });
  expect(old.code).toBe(4);
  expect(JSON.parse(old.stdout).result).toBe("stale");
  const none = latest.with(-1, "s3://bucket/off/site/other/latest");
  const missing = await keeper([...none, ...where(server.endpoint)], { env });
  expect(missing.code).toBe(2);
  expect(JSON.parse(missing.stdout).reason.class).toBe("no-backup");
  const down = await keeper([...latest, ...where("http://127.0.0.1:9")], { env });
  expect(down.code).toBe(5);
});

it("finds a changed byte there, and a list of checksums that was changed along with it", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const id = await made.add("2026-03-01");
  await keeper(["upload", ...flags(made, server.endpoint)], { env });
  const address = `s3://bucket/off/site/stack/${id}`;
  const verify = ["verify", "--backup", address, ...where(server.endpoint), "--level", "checksum"];
  const key = (file: string) => `off/site/stack/backups/${id}/${file}`;
  server.flip(key("data.tar.zst.age"));
  const changed = await keeper(verify, { env });
  expect(changed.code).toBe(4);
  expect(JSON.parse(changed.stdout).reason.message).toContain("data.tar.zst.age: checksum");
  // Whoever can write the file can write the list, too, but not what is sealed.
  const sums = server.content(key("SHA256SUMS"))?.toString() ?? "";
  const forged = sums.replace(/^\w{64}/, sha256Hex(server.content(key("data.tar.zst.age")) ?? ""));
  const [object] = server.objects.get(key("SHA256SUMS")) ?? [];
  if (object !== undefined) object.body = Buffer.from(forged);
  const opened = { ...env, SOPHON_KEEPER_IDENTITY: made.identity };
  const withKey = await keeper(verify, { env: opened });
  expect(withKey.code, withKey.stdout).toBe(4);
  expect(JSON.parse(withKey.stdout).reason.message).toContain("SHA256SUMS is not the list");
});

it("takes a signed backup there for what it is, and tells whose list is there", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const id = await made.add("2026-03-01", { signed: true });
  await keeper(["upload", ...flags(made, server.endpoint)], { env });
  const address = `s3://bucket/off/site/stack/${id}`;
  const read = ["verify", "--backup", address, ...where(server.endpoint), "--level", "checksum"];
  const opened = { ...env, SOPHON_KEEPER_IDENTITY: made.identity };
  const run = await keeper([...read, "--sign-key", made.signKey], { env: opened });
  expect(run.code, run.stdout).toBe(0);
  const { checks, unknown } = JSON.parse(run.stdout);
  expect(checks).toContainEqual({
    ...{ name: "signature", component: "SHA256SUMS", status: "pass" },
    detail: expect.stringMatching(/^by SHA256:/),
  });
  expect(checks).toContainEqual(
    expect.objectContaining({ name: "sealed manifest", status: "pass" }),
  );
  expect(unknown).toEqual([]);

  // Another key is trusted: nothing is damaged, but who made it is not known.
  const other = newSignKey().publicKey;
  const demanded = await keeper([...read, "--trusted-signers", other], { env: opened });
  expect(demanded.code, demanded.stdout).toBe(5);
  expect(JSON.parse(demanded.stdout).reason.message).toContain("which is not trusted here");

  const key = (file: string) => `off/site/stack/backups/${id}/${file}`;
  server.flip(key("SHA256SUMS.sig"));
  const flipped = await keeper(read, { env: opened });
  expect(flipped.code, flipped.stdout).toBe(4);
  expect(JSON.parse(flipped.stdout).reason.message).toBe(
    "SHA256SUMS: signature: SHA256SUMS.sig is not of this SHA256SUMS",
  );

  // As earlier versions left it.
  server.objects.delete(key("SHA256SUMS.sig"));
  const unsigned = await keeper(read, { env: opened });
  expect(unsigned.code, unsigned.stdout).toBe(0);
  expect(JSON.parse(unsigned.stdout).unknown).toEqual([
    "unknown origin of SHA256SUMS: it is not signed",
  ]);
});

it("tells the newest copy off this host, and when it is too old", async () => {
  await using made = await sealedRepository();
  await using server = await S3Server.start();
  const list = ["list", "--json", "--repository", made.repository.path];
  await made.add("2026-03-01");
  const before = await keeper([...list, "--remote-max-age", "36h"], { env });
  expect(before.code).toBe(4);
  expect(JSON.parse(before.stdout)).toMatchObject({ result: "stale", offHost: null });
  await keeper(["upload", ...flags(made, server.endpoint)], { env });
  const id = await made.add("2026-03-02");
  const run = JSON.parse((await keeper(list, { env })).stdout);
  expect(run).toMatchObject({
    result: "listed",
    offHost: { remotes: ["s3://bucket/off/site"], createdAt: "2026-03-01T02:17:00.000Z" },
    backups: [{ id, copies: 1 }, { copies: 2 }],
  });
  const old = await keeper([...list, "--remote-max-age", "36h"], { env });
  expect(old.code).toBe(4);
  expect(JSON.parse(old.stdout).backups).toHaveLength(2);
});

it("continues a restore from a bucket that was killed on its way, and fetches nothing twice", async () => {
  await using made = await sealedRepository();
  await using elsewhere = await sealedRepository();
  await using server = await S3Server.start();
  await using proxy = await S3Proxy.before(server.endpoint);
  const id = await made.add("2026-03-01", { bytes: 2 ** 21 });
  const sent = await keeper(["upload", ...flags(made, server.endpoint)], { env });
  expect(sent.code, sent.stderr).toBe(0);
  const target = join(elsewhere.repository.path, "plain");
  const restore = [
    ...["restore", "--backup", `s3://bucket/off/site/stack/${id}`, "--target", target],
    ...["--repository", elsewhere.repository.path, ...where(proxy.endpoint)],
  ];
  const opened = { ...env, SOPHON_KEEPER_IDENTITY: made.identity };
  const data = `off/site/stack/backups/${id}/data.tar.zst.age`;
  proxy.fault = (method, path) => (method === "GET" && path.includes(data) ? "half" : undefined);
  const args = [join(await shipped(), "cli.js"), ...restore];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...opened },
    stdio: "ignore",
  });
  const ended = once(child, "close");
  const begun = async () => {
    const all = await readdir(elsewhere.repository.path, { recursive: true });
    const file = all.find((one) => one.endsWith("data.tar.zst.age"));
    return file === undefined ? 0 : (await stat(join(elsewhere.repository.path, file))).size;
  };
  await until("a part of the file is here", 60_000, async () => (await begun()) > 0);
  child.kill("SIGKILL");
  await ended;
  const here = await begun();
  expect(await elsewhere.repository.list()).toEqual([]);

  proxy.fault = () => undefined;
  server.requests.length = 0;
  server.ranges.length = 0;
  const again = await keeper(restore, { env: opened });
  expect(server.ranges, again.stderr).toEqual([`${data} ${here}`]);
  expect(server.requests.filter((one) => one.includes("data.tar.zst.age"))).toHaveLength(1);
  const fetched = join(elsewhere.repository.directory(id), "data.tar.zst.age");
  expect((await readFile(fetched)).equals(server.content(data) ?? Buffer.alloc(0))).toBe(true);
});
