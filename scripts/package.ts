import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { packageVersion } from "./version.ts";

// Packs what is committed with a Node inside, for hosts whose distribution has an older one:
//   node scripts/package.ts DIRECTORY [x64|arm64]
// It needs nothing but Node, npm, tar, gzip and dpkg-deb: no package of the checkout runs. Node itself is a package of npm,
// checked by the hash in package-lock.json. The same commit gives the same bytes.

const root = join(import.meta.dirname, "..");
const debianOf = { x64: "amd64", arm64: "arm64" } as const;
type Architecture = keyof typeof debianOf;

const [into, architecture = process.arch] = process.argv.slice(2);
if (into === undefined || !Object.hasOwn(debianOf, architecture)) {
  process.stderr.write("usage: node scripts/package.ts DIRECTORY [x64|arm64]\n");
  process.exit(2);
}
const version = await packageVersion(root);
const time = execFileSync("git", ["log", "-1", "--format=%ct"], {
  cwd: root,
  encoding: "utf8",
}).trim();
const commit = releasedCommit();
const work = mkdtempSync(join(tmpdir(), "sophon-keeper-pack-"));
try {
  mkdirSync(into, { recursive: true });
  packAll(resolve(into), architecture as Architecture);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function packAll(directory: string, arch: Architecture): void {
  const node = nodeOf(arch);
  const archive = join(directory, `sophon-keeper-linux-${arch}.tar.gz`);
  layOut(join(work, `sophon-keeper-${version}`), node);
  const sorted = ["--sort=name", `--mtime=@${time}`, "--owner=0", "--group=0", "--numeric-owner"];
  const packed = ["--create", ...sorted, "--directory", work, `sophon-keeper-${version}`];
  execFileSync("bash", ["-c", 'set -o pipefail; tar "$@" | gzip -n', "tar", ...packed], {
    stdio: ["ignore", openFor(archive), "inherit"],
  });
  const debian = join(work, "debian");
  layOut(join(debian, "usr/lib/sophon-keeper"), node);
  linkIntoSystem(debian);
  writeControl(debian, debianOf[arch]);
  const deb = join(directory, `sophon-keeper_${version}_${debianOf[arch]}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: time };
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zgzip", "--build", debian, deb], { env });
  for (const path of [archive, deb]) process.stdout.write(`${path}\n`);
}

/** One directory that works wherever it lies. */
function layOut(directory: string, node: string): void {
  mkdirSync(join(directory, "bin"), { recursive: true });
  for (const name of ["dist", "examples", "completions", "man", "LICENSE", "README.md"]) {
    cpSync(join(root, name), join(directory, name), { recursive: true });
  }
  cpSync(node, join(directory, "bin/node"));
  // What `init` pins its workflows to.
  if (commit !== undefined) writeFileSync(join(directory, "commit"), `${commit}\n`);
  const start = `#!/bin/sh
# Follows links, so that it can be linked into the PATH.
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/../dist/cli.js" "$@"
`;
  writeFileSync(join(directory, "bin/sophon-keeper"), start);
  for (const name of ["node", "sophon-keeper"]) chmodSync(join(directory, "bin", name), 0o755);
  // Not of the umask of who packs.
  execFileSync("chmod", ["-R", "u=rwX,go=rX", directory]);
}

/** The commit that is packed, if it is the one that the tag of this version names: no other is a release. */
function releasedCommit(): string | undefined {
  const git = (...words: string[]) =>
    execFileSync("git", words, { cwd: root, encoding: "utf8" }).trim();
  const tags = git("tag", "--points-at", "HEAD").split("\n");
  return tags.includes(`v${version}`) ? git("rev-parse", "HEAD") : undefined;
}

/** Where Debian looks for programs, completions and manuals. */
function linkIntoSystem(debian: string): void {
  const links = {
    "usr/bin/sophon-keeper": "../lib/sophon-keeper/bin/sophon-keeper",
    "usr/share/bash-completion/completions/sophon-keeper":
      "../../../lib/sophon-keeper/completions/sophon-keeper.bash",
    "usr/share/zsh/vendor-completions/_sophon-keeper":
      "../../../lib/sophon-keeper/completions/_sophon-keeper",
    "usr/share/fish/vendor_completions.d/sophon-keeper.fish":
      "../../../lib/sophon-keeper/completions/sophon-keeper.fish",
    "usr/share/man/man1/sophon-keeper.1": "../../../lib/sophon-keeper/man/sophon-keeper.1",
    "usr/share/doc/sophon-keeper/copyright": "../../../lib/sophon-keeper/LICENSE",
  };
  for (const [link, target] of Object.entries(links)) {
    mkdirSync(join(debian, link, ".."), { recursive: true });
    symlinkSync(target, join(debian, link));
  }
}

function writeControl(debian: string, arch: string): void {
  mkdirSync(join(debian, "DEBIAN"));
  const size = execFileSync("du", ["-sk", join(debian, "usr")], { encoding: "utf8" });
  const control = `Package: sophon-keeper
Version: ${version}
Architecture: ${arch}
Maintainer: Sophon Keeper contributors <https://github.com/sophon-keeper/sophon-keeper/issues>
Installed-Size: ${size.split("\t")[0]}
Depends: tar, libc6 (>= 2.28), libstdc++6
Recommends: docker-ce-cli | docker.io | docker-cli
Suggests: age, zstd
Section: admin
Priority: optional
Homepage: https://github.com/sophon-keeper/sophon-keeper
Description: backs up, verifies, restores and upgrades a Docker Compose stack
 One restore point of a whole stack while it runs, encrypted and read back; a test
 restore in an isolated clone; upgrades that roll images and data back by themselves.
 Comes with its own Node.
`;
  writeFileSync(join(debian, "DEBIAN/control"), control);
  execFileSync("chmod", ["-R", "u=rwX,go=rX", join(debian, "usr/share"), join(debian, "DEBIAN")]);
}

/** The Node that package-lock.json names: from node_modules, else from the registry, checked by its hash. */
function nodeOf(arch: Architecture): string {
  const name = `node-linux-${arch}`;
  const installed = join(root, "node_modules", name, "bin/node");
  if (existsSync(installed)) return installed;
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { version: locked, integrity } = lock.packages[`node_modules/${name}`];
  const said = execFileSync("npm", ["pack", `${name}@${locked}`, "--pack-destination", work], {
    cwd: work,
    encoding: "utf8",
  });
  const file = join(work, String(said.trim().split("\n").at(-1)));
  const found = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
  if (found !== integrity) throw new Error(`${name}@${locked} is ${found}, not ${integrity}`);
  execFileSync("tar", ["-xzf", file, "-C", work, "package/bin/node"]);
  return join(work, "package/bin/node");
}

function openFor(path: string): number {
  rmSync(path, { force: true });
  return openSync(path, "wx");
}
