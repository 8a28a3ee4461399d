import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run, tryRun } from "./run.ts";
import { labDirectory, lockLab } from "./state.ts";
import { installPackages } from "./tools.ts";

/** The version of zizmor, which audits workflows, that ours pass. */
const version = "1.32.0";

/** SHA-256 of its wheels for Linux and macOS, as the package index lists them. */
const wheels = [
  "aa4b4e216321dd5cf202cd79fc83296468f0eed79d850cd65ac8187a6bbc5496",
  "0a999c98015becd9f69919ce01febadfb1c2be9b8ec2ce9ef7eb13ff23ba8eba",
  "0cdd38fca6eb34ceb567548548d706332e3535ea66894b9168c048e03207b68c",
  "bddcdb0e37d1aa53c9f831c55627a5829d0d552cb0afb4b80fbe16a3a3140366",
  "84a6acb975accc13408786a2bd274b572537ca19c933ebbc13e78f3988562071",
  "d34dcfa702875202b4163d90ebb9cc5222f3d1a7d4b72bf796d87b5a15b24194",
  "3f404b26791ed06a5ea9eaa0bfd5b973fc5228bac7db8b3c5ec7f0c7ad2ed16d",
  "dd818f99d833b86cd432d5412d620d936b5df074b33404fff8b67acff55d3259",
];

/**
 * The path of zizmor, installed from the Python package index into the lab's directory unless this version is there.
 * Brings Python along where root may install it.
 *
 * @throws with what was missing.
 */
export async function ensureZizmor(): Promise<string> {
  const directory = join(labDirectory(), `zizmor-${version}`);
  const program = join(directory, "bin", "zizmor");
  if (await works(program)) return program;
  await mkdir(labDirectory(), { recursive: true });
  await using _lock = await lockLab("zizmor");
  if (await works(program)) return program;
  const made = `${directory}.${process.pid}`;
  try {
    await makeEnvironment(made);
    const requirements = join(made, "requirements.txt");
    const hashes = wheels.map((sha256) => ` --hash=sha256:${sha256}`).join("");
    await writeFile(requirements, `zizmor==${version}${hashes}\n`);
    // A wheel holds the compiled program: no code of the package runs while it is installed.
    const only = ["--only-binary=:all:", "--no-deps", "--require-hashes"];
    const quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--retries=5"];
    const pip = [join(made, "bin", "python3"), "-m", "pip", "install"];
    await run([...pip, ...only, ...quiet, "--requirement", requirements]);
    await rm(directory, { recursive: true, force: true });
    await rename(made, directory);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  if (await works(program)) return program;
  throw new Error(`${program} does not run`);
}

/** A Python environment of its own: the machine's packages stay as they are. */
async function makeEnvironment(directory: string): Promise<void> {
  const create = ["python3", "-m", "venv", directory];
  const { code } = await tryRun(create);
  if (code === 0) return;
  await installPackages(["python3-venv"]);
  await rm(directory, { recursive: true, force: true });
  await run(create);
}

async function works(program: string): Promise<boolean> {
  const { code, stdout } = await tryRun([program, "--version"]);
  return code === 0 && stdout.trim() === `zizmor ${version}`;
}
