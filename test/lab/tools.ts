import { access, readFile, writeFile } from "node:fs/promises";
import { hasCommand, run, tryRun } from "./run.ts";

/** Commands that the tests use, with the Debian package each comes from. */
const toolPackages: Readonly<Record<string, string>> = {
  age: "age",
  "age-keygen": "age",
  zstd: "zstd",
  rdiff: "rdiff",
  "ssh-keygen": "openssh-client",
  sqlite3: "sqlite3",
  tar: "tar",
  setfattr: "attr",
  setfacl: "acl",
  losetup: "mount",
  flock: "util-linux",
  setpriv: "util-linux",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  "mkfs.btrfs": "btrfs-progs",
  python3: "python3",
  openssl: "openssl",
  curl: "curl",
  git: "git",
};

/** Commands that the lab itself needs, beyond the engine, whatever runs in it. */
const labPackages: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  iptables: "iptables",
  "docker-registry": "docker-registry",
  age: "age",
  "age-keygen": "age",
  tar: "tar",
  flock: "util-linux",
  // `docker top` runs it on the host.
  ps: "procps",
};

/** Commands that only the tests with an engine need. */
const testPackages: Readonly<Record<string, string>> = {
  ...toolPackages,
  ip: "iproute2",
  psql: "postgresql-client",
};

/** The keys of the Debian archive, from the package `debian-archive-keyring`. */
export const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
const trixieSource = "/etc/apt/sources.list.d/sophon-keeper-lab-trixie.sources";
const trixiePin = "/etc/apt/preferences.d/sophon-keeper-lab";

/** Makes the tools of the contract tests available; says what it installed. */
export async function ensureTools(): Promise<string> {
  return await installPackages(await missingPackages(toolPackages));
}

/** The Debian packages still needed for the lab's own commands, and for the tests' where they are to run. */
export async function missingLabPackages(forTests: boolean): Promise<string[]> {
  return await missingPackages({ ...labPackages, ...(forTests ? testPackages : {}) });
}

/** The packages still needed to make images from Debian packages. */
export async function missingImagePackages(): Promise<string[]> {
  const missing = await missingPackages({ mmdebstrap: "mmdebstrap" });
  // Ubuntu does not come with the keys that mmdebstrap checks Debian's packages by.
  const hasKeyring = await access(debianKeyring).then(
    () => true,
    () => false,
  );
  return hasKeyring ? missing : [...missing, "debian-archive-keyring"];
}

/**
 * Installs Debian packages (`name` or `name/release`) with one `apt-get`, or throws with what a person must do.
 * Nothing to install is no work at all.
 */
export async function installPackages(packages: readonly string[]): Promise<string> {
  if (packages.length === 0) return "nothing to install";
  const wanted = packages.join(" ");
  if (process.getuid?.() !== 0 || !(await hasCommand("apt-get"))) {
    throw new Error(`missing, and only root on Debian or Ubuntu can install them: ${wanted}`);
  }
  await updateLists();
  await aptGet(["install", "-y", "--no-install-recommends", ...packages]);
  return `installed ${wanted}`;
}

/** `ID` and `VERSION_ID` of `/etc/os-release`. */
export async function osRelease(): Promise<{ id: string; version: string }> {
  const text = await readFile("/etc/os-release", "utf8");
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)`, "m").exec(text)?.[1] ?? "";
  return { id: value("ID"), version: value("VERSION_ID") };
}

let listsAreFresh = false;

/** Adds Debian trixie pinned so low that only packages asked for as `name/trixie` come from it. */
export async function addTrixie(): Promise<void> {
  const source = `Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie\nComponents: main\nSigned-By: ${debianKeyring}\n`;
  await writeFile(trixieSource, source);
  listsAreFresh = false;
  await writeFile(trixiePin, "Package: *\nPin: release n=trixie\nPin-Priority: 100\n");
}

async function missingPackages(needs: Readonly<Record<string, string>>): Promise<string[]> {
  const missing = new Set<string>();
  for (const [command, name] of Object.entries(needs)) {
    if (!(await hasCommand(command))) missing.add(name);
  }
  return [...missing];
}

/** The list lock has no waiting option of its own, so another apt on the machine is waited for by trying again. */
async function updateLists(): Promise<void> {
  if (listsAreFresh) return;
  for (let attempt = 1; ; attempt += 1) {
    const result = await tryRun(["apt-get", ...aptOptions, "update"]);
    if (result.code === 0) {
      listsAreFresh = true;
      return;
    }
    if (attempt === 20) throw new Error(`apt-get update failed\n${result.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

const aptOptions = ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];

async function aptGet(args: readonly string[]): Promise<void> {
  const quiet = { DEBIAN_FRONTEND: "noninteractive", NEEDRESTART_SUSPEND: "1" };
  // Without a sync for every file: a machine that goes down meanwhile sets the lab up once more.
  const dpkg = ["--force-confold", "--force-unsafe-io"];
  const options = dpkg.flatMap((option) => ["-o", `Dpkg::Options::=${option}`]);
  const argv = ["apt-get", ...aptOptions, ...options, ...args];
  await run(argv, { env: { ...process.env, ...quiet } });
}
