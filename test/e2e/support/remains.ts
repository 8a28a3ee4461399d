import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run, tryRun } from "../../lab/run.ts";

/** What only a backup starts inside the stores' containers, apart from their health checks. */
const programs = /pg_dump|\bpsql\b|redis-cli|rabbitmqctl|sophon-keeper/;

/**
 * What an operation left on the host, one readable line each: half backups, helper and lock containers, programs inside
 * the stack's containers, copies beside volumes, snapshots on the Qdrant server.
 */
export async function remainsOf(stack: LabStack, repository: string): Promise<string[]> {
  const found = await Promise.all([
    partials(repository),
    containers(stack),
    leftPrograms(stack),
    copies(stack),
    stack.tier === "personal" ? [] : snapshots(stack),
  ]);
  return found.flat();
}

async function partials(repository: string): Promise<string[]> {
  const names = await readdir(join(repository, "backups")).catch(() => []);
  return names.filter((name) => name.startsWith(".")).map((name) => `half a backup: ${name}`);
}

/** Containers that name the project in a label or a name, and are none of its own. */
async function containers(stack: LabStack): Promise<string[]> {
  const format = `{{.Names}} {{.Label "com.docker.compose.project"}} {{.Labels}}`;
  const all = (await run(["docker", "ps", "--all", "--format", format])).trim().split("\n");
  return all
    .filter((line) => line.includes(stack.projectName))
    .filter((line) => line.split(" ")[1] !== stack.projectName)
    .map((line) => `container ${inOrder(line)}`);
}

/** The engine lists labels in another order each time. */
function inOrder(line: string): string {
  const [name, project, ...labels] = line.split(" ");
  return [name, project, labels.join(" ").split(",").toSorted().join(",")].join(" ");
}

async function leftPrograms(stack: LabStack): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${stack.projectName}`;
  const ids = (await run(["docker", "ps", "--quiet", "--filter", filter])).trim().split("\n");
  const found = await Promise.all(ids.map(programsOf));
  return found.flat();
}

async function programsOf(id: string): Promise<string[]> {
  const top = await tryRun(["docker", "top", id, "-eo", "pid,stat,args"]);
  const format = "{{with .Config.Healthcheck}}{{json .Test}}{{else}}[]{{end}}";
  const { stdout } = await tryRun(["docker", "inspect", "--format", format, id]);
  const [, ...healthCheck] = stdout === "" ? [] : (JSON.parse(stdout) as string[]);
  const found: string[] = [];
  for (const line of top.stdout.split("\n")) {
    const [pid = "", state = "", ...argv] = line.trim().split(/\s+/);
    const program = argv.join(" ");
    // What has ended, and was not reaped as yet, is a name in brackets. A test holds a table with a psql of its own.
    const counts = !/^[ZX]/.test(state) && !/^\[.*\]/.test(program) && !/pg_sleep/.test(program);
    if (!counts || !programs.test(program) || program === healthCheck.join(" ")) continue;
    found.push(`program ${pid} ${program}`);
  }
  return found;
}

async function copies(stack: LabStack): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${stack.projectName}`;
  const names = (await run(["docker", "volume", "ls", "--quiet", "--filter", filter])).trim();
  const found: string[] = [];
  for (const name of names.split("\n").filter(Boolean)) {
    const format = ["--format", "{{.Mountpoint}}"];
    const place = (await run(["docker", "volume", "inspect", ...format, name])).trim();
    const beside = await readdir(dirname(place));
    found.push(...beside.filter((one) => one !== "_data").map((one) => `beside ${name}: ${one}`));
  }
  return found;
}

async function snapshots(stack: LabStack): Promise<string[]> {
  const get = async <T>(path: string): Promise<T> => {
    const headers = { "api-key": stack.credentials.qdrantKey };
    const answer = await fetch(`${stack.qdrantUrl}${path}`, { headers });
    return ((await answer.json()) as { result: T }).result;
  };
  const { collections } = await get<{ collections: { name: string }[] }>("/collections");
  const found: string[] = [];
  for (const { name } of collections) {
    const left = await get<{ name: string }[]>(`/collections/${name}/snapshots`);
    found.push(...left.map((one) => `snapshot ${one.name}`));
  }
  return found;
}
