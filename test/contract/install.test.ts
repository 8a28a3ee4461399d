// @module-tag exhaustive
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sha256Hex } from "../../src/core/hash.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { spawnText } from "./support/spawn-text.ts";

// The packages with a Node inside: built by the script of the release job, installed by install.sh from a server, and by dpkg.

const root = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const archive = `sophon-keeper-linux-${process.arch}.tar.gz`;
let place: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: Server;
let files: Record<string, Buffer>;

beforeAll(async () => {
  place = await temporaryDirectory("sophon-keeper-install-");
  execFileSync(process.execPath, ["scripts/package.ts", join(place.path, "built")], { cwd: root });
  const packed = readFileSync(join(place.path, "built", archive));
  files = { [archive]: packed, SHA256SUMS: Buffer.from(`${sha256Hex(packed)}  ${archive}\n`) };
  server = createServer((request, response) => {
    const [, name = ""] =
      /^\/(?:latest\/download|download\/v[\d.]+)\/(.+)$/.exec(request.url ?? "") ?? [];
    const file = files[name];
    response.writeHead(file === undefined ? 404 : 200).end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  server.close();
  await place[Symbol.asyncDispose]();
});

let count = 0;

/** Runs install.sh with an own `gh` that says what the attestation is worth. */
async function install(args: readonly string[], gh: "good" | "bad" | "missing" = "good") {
  count += 1;
  const prefix = join(place.path, `prefix ${count}`);
  const bin = join(place.path, `bin-${count}`);
  mkdirSync(bin);
  const tools = [
    "sh",
    "sed",
    "grep",
    "tail",
    "uname",
    "tar",
    "gzip",
    "sha256sum",
    "mktemp",
    "mkdir",
    "mv",
    "ln",
    "rm",
    "dirname",
    "chmod",
    "curl",
    "cat",
    "readlink",
  ];
  for (const tool of tools) {
    const path = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
    writeFileSync(join(bin, tool), `#!/bin/sh\nexec ${path} "$@"\n`);
  }
  if (gh !== "missing") {
    writeFileSync(join(bin, "gh"), `#!/bin/sh\necho "verdict ${gh}"\n[ ${gh} = good ]\n`);
  }
  for (const name of readdirSync(bin)) chmodSync(join(bin, name), 0o755);
  const { port } = server.address() as AddressInfo;
  const env = { PATH: bin, SOPHON_KEEPER_RELEASES: `http://127.0.0.1:${port}` };
  const argv = [join(root, "install.sh"), "--prefix", prefix, ...args];
  const ended = await spawnText("/bin/sh", argv, env);
  const installed = join(prefix, "bin/sophon-keeper");
  return { ...ended, prefix, installed };
}

it("installs a program with its own Node, and a newer one in its place", async () => {
  const first = await install([]);
  expect(first.stderr).toBe("");
  expect(first.code).toBe(0);
  const run = (...args: string[]) =>
    execFileSync(first.installed, args, { env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" });
  expect(run("--version")).toBe(`${version}\n`);
  expect(run("--help")).toContain("EVERY NIGHT");
  expect(existsSync(join(first.prefix, "share/man/man1/sophon-keeper.1"))).toBe(true);
  const again = spawnSync(
    "sh",
    [join(root, "install.sh"), "--prefix", first.prefix, "--checksum-only"],
    {
      env: { PATH: "/usr/bin:/bin", SOPHON_KEEPER_RELEASES: "http://127.0.0.1:1" },
      encoding: "utf8",
    },
  );
  expect(again.status).toBe(2);
  expect(run("--version")).toBe(`${version}\n`);
  expect(realpathSync(join(first.prefix, "lib/sophon-keeper"))).toBe(
    join(realpathSync(first.prefix), `lib/sophon-keeper-${version}`),
  );
  expect(readdirSync(join(first.prefix, "lib")).filter((name) => name.startsWith("."))).toEqual([]);
});

it.each([
  ["the signature is bad", [], "bad", "signature"],
  ["nothing can check the signature", [], "missing", "gh is missing"],
  ["there is no such release", ["--version", "v9.9.9x"], "good", "cannot be fetched"],
  ["the version is no tag", ["--version", "main"], "good", 'version is "main"'],
  ["a word is unknown", ["--force"], "good", 'unknown word "--force"'],
] as const)("installs nothing if %s", async (_, args, gh, message) => {
  const ended = await install(args, gh);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toContain(message);
  expect(
    ended.stderr
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("refused:")),
  ).toHaveLength(1);
  expect(existsSync(ended.installed)).toBe(false);
});

it.each([
  [
    "another byte",
    () => ({ [archive]: Buffer.concat([files[archive] as Buffer, Buffer.from("x")]) }),
  ],
  ["no sum for the file", () => ({ SHA256SUMS: Buffer.from("") })],
  [
    "two sums for it",
    () => ({ SHA256SUMS: Buffer.concat([files.SHA256SUMS as Buffer, files.SHA256SUMS as Buffer]) }),
  ],
])("installs nothing if the release has %s", async (_, change) => {
  const before = files;
  files = { ...files, ...change() } as Record<string, Buffer>;
  try {
    const ended = await install(["--checksum-only"], "missing");
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^refused: /m);
    expect(existsSync(ended.installed)).toBe(false);
  } finally {
    files = before;
  }
});

it("is a Debian package that says what it needs, and runs where dpkg puts it", () => {
  const [deb = ""] = readdirSync(join(place.path, "built")).filter((name) => name.endsWith(".deb"));
  const path = join(place.path, "built", deb);
  const field = (name: string) =>
    execFileSync("dpkg-deb", ["--field", path, name], { encoding: "utf8" }).trim();
  expect(field("Version")).toBe(version);
  expect(field("Depends")).toContain("tar");
  const target = join(place.path, "debian");
  execFileSync("dpkg-deb", ["--extract", path, target]);
  const program = join(target, "usr/bin/sophon-keeper");
  expect(execFileSync(program, ["--version"], { encoding: "utf8" })).toBe(`${version}\n`);
  const owners = execFileSync("dpkg-deb", ["--contents", path], { encoding: "utf8" });
  expect(owners.split("\n").filter((line) => line !== "" && !line.includes("root/root"))).toEqual(
    [],
  );
});

it("names its commit if that has the tag of the version, and only then", () => {
  const commitIn = (file: string) =>
    spawnSync("tar", ["-xzOf", file, `sophon-keeper-${version}/commit`], { encoding: "utf8" });
  const untagged = commitIn(join(place.path, "built", archive));
  expect([untagged.status, untagged.stdout]).toEqual([2, ""]);
  const copy = join(place.path, "copy");
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8" }).trim();
  git("clone", "--quiet", "--depth", "1", `file://${root}`, copy);
  git("-C", copy, "tag", `v${version}`);
  symlinkSync(realpathSync(join(root, "node_modules")), join(copy, "node_modules"));
  execFileSync(process.execPath, [join(copy, "scripts/package.ts"), join(copy, "built")]);
  const { stdout } = commitIn(join(copy, "built", archive));
  expect(stdout).toBe(`${git("-C", root, "rev-parse", "HEAD")}\n`);
});
