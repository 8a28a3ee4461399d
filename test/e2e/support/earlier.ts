import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run } from "../../lab/run.ts";

const journals = join(import.meta.dirname, "../../fixtures/on-disk/journals");
/** An image without a file, as earlier builds made it for their locks. */
const lockImage = "sophon-keeper/lock:1";

/** What a killed run of an earlier build left: its id, and the data of each step that it had journalled. */
export interface Leftover {
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows the shape of the journal that it chose
  readonly steps: Readonly<Record<string, any>>;
}

/**
 * Writes the journal that a run of an earlier build leaves in `repository` when it is killed once the line of `step` is on the
 * disk, for the containers and the places of `stack`, and the lock that it held. What that run had done to the host until
 * then is the test's to do, after this: the ids in the journal are those of the containers as they are now.
 */
export async function leave(
  stack: LabStack,
  repository: string,
  journal: string,
  step: string,
): Promise<Leftover> {
  const fixture = await readFile(join(journals, `${journal}.jsonl`), "utf8");
  const lines = (await forStack(fixture, stack, repository)).trimEnd().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as { step: string; data: object });
  const last = entries.findIndex((entry) => entry.step === step);
  if (last === -1) throw new Error(`${journal} has no ${step}`);
  const id = operationOf(fixture).replace(/^demo/, stack.projectName);
  const operations = join(repository, "operations");
  for (const part of ["backups", "marks", "operations"]) {
    await mkdir(join(repository, part), { recursive: true, mode: 0o700 });
  }
  // The space that is set aside: empty lines behind the last, and the ballast.
  const text = lines.slice(0, last + 1).join("\n");
  await writeFile(join(operations, `${id}.jsonl`), `${text}${"\n".repeat(64 * 1024)}`);
  await writeFile(join(operations, `${id}.ballast`), Buffer.alloc(64 * 1024));
  await leaveLock(stack, repository, id);
  const told = entries.slice(0, last + 1).map((entry) => [entry.step, entry.data]);
  return { id, steps: Object.fromEntries(told) };
}

/** The id of the operation that a fixture is the journal of, as its steps name it. */
function operationOf(fixture: string): string {
  return /demo-\d{8}T\d{6}Z-[0-9a-f]{4}/.exec(fixture)?.[0] ?? "demo-20261128T095845Z-3859";
}

/** The neutral names of a fixture become those of a stack. */
async function forStack(fixture: string, stack: LabStack, repository: string): Promise<string> {
  let text = fixture;
  const engineRoot = await run(["docker", "info", "--format", "{{.DockerRootDir}}"]);
  const places = [
    ["/var/lib/sophon-keeper/demo", repository],
    ["/var/lib/docker/volumes", join(engineRoot.trim(), "volumes")],
    ["/srv/demo-data", stack.dataDir],
    ["/srv/demo", stack.directory],
    ["/srv", dirname(stack.dataDir)],
    ["registry.example/", `${stack.registry.host}/${stack.projectName}/`],
  ] as const;
  for (const [neutral, real] of places) text = text.replaceAll(neutral, real);
  text = text.replace(/\bdemo(?=[-_"])/g, stack.projectName);
  const services = new Set(text.match(/(?<=container-)[a-z-]+(?=")/g));
  for (const service of services) {
    text = text.replaceAll(`container-${service}"`, `${await stack.containerId(service)}"`);
  }
  const images = text.matchAll(/"service":"([a-z-]+)","imageId":"(sha256:image-\d+)"/g);
  for (const [, service = "", image = ""] of images) {
    text = text.replaceAll(`"${image}"`, `"${await imageOf(stack, service)}"`);
  }
  return text;
}

async function imageOf(stack: LabStack, service: string): Promise<string> {
  const id = await stack.containerId(service);
  return (await run(["docker", "inspect", "--format", "{{.Image}}", id])).trim();
}

/** A lock whose owner died with an earlier boot of the machine. */
async function leaveLock({ projectName }: LabStack, repository: string, id: string) {
  const { operation, startedAt } = { operation: "backup", startedAt: "2026-11-28T09:58:45.515Z" };
  const owner = {
    ...{ operationId: id, operation, repository, startedAt, jobUrl: null },
    ...{ pid: 4321, startTicks: "12345", pidNamespace: "pid:[4026531836]" },
    ...{ bootId: "00000000-0000-4000-8000-000000000000", host: "host", user: "root" },
  };
  const labels = {
    "sophon-keeper.kind": "lock",
    "sophon-keeper.project": projectName,
    "sophon-keeper.operation": id,
    "sophon-keeper.lock-owner": JSON.stringify(owner),
  };
  await ensureLockImage();
  await createLabelled(`sophon-keeper-lock-${projectName}`, lockImage, "lock", labels);
}

/** Keeps an image as an earlier build did for its way back. */
export async function leaveKeptImage(
  { projectName }: LabStack,
  id: string,
  { service, id: image }: { readonly service: string; readonly id: string },
): Promise<void> {
  const tag = `sophon-keeper/keep:${id}-${service}`;
  await run(["docker", "tag", image, tag]);
  await createLabelled(`sophon-keeper-keep-${id}-${service}`, tag, "keep", {
    "sophon-keeper.kind": "keep",
    "sophon-keeper.project": projectName,
    "sophon-keeper.operation": id,
  });
}

async function createLabelled(
  name: string,
  image: string,
  command: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const flags = Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
  await run(["docker", "create", "--name", name, ...flags, image, command]);
}

async function ensureLockImage(): Promise<void> {
  const found = await run(["docker", "images", "--quiet", lockImage]);
  if (found.trim() !== "") return;
  const empty = "tar --create --file=- --files-from=/dev/null | docker import - ";
  await run(["sh", "-c", `${empty} ${lockImage}`]);
}
