import { quoted } from "../../core/shell.ts";
import { type Dependencies, type Need, needsOf } from "./depends-on.ts";
import { scaleOf, withNeeds } from "./recreate.ts";

/** Stops all containers of a project. `docker compose stop` would stop nothing if one of them is missing. */
export function stopAll(project: string): string {
  return `docker ps -q --filter label=com.docker.compose.project=${project} | xargs -r docker stop`;
}

/** What is known of the containers that Compose recreates. */
interface CreatedByHand {
  readonly containers: Parameters<typeof scaleOf>[0];
  /** The dependencies of each service. */
  readonly needs: Readonly<Record<string, readonly string[]>>;
}

/**
 * The words of `docker compose` that recreate the missing containers of these services and start nothing. They name how
 * many containers each service and each dependency had: Compose would remove the others (`--scale`), or add some.
 */
export function createWords(
  services: readonly string[],
  { containers, needs }: CreatedByHand,
): string {
  const scale = Object.entries(scaleOf(containers, withNeeds(needs, services)));
  const flags = scale.map(([name, count]) => `--scale ${quoted(`${name}=${count}`)}`);
  return ["up --no-start --pull never", ...flags, ...services.map(quoted)].join(" ");
}

/** A container whose previous state a person restores. */
interface StartedByHand {
  readonly name: string;
  readonly service: string;
  readonly restartPolicy: string;
  readonly isPaused: boolean;
  readonly healthy: boolean;
}

const waitSeconds = 180;

/**
 * The commands that start the containers that ran, in the order and with the conditions that this tool uses. Containers
 * without an order between them share one line. `docker compose up` would rerun one-shots and start containers that a
 * person had stopped.
 */
export function startCommands(
  ran: readonly StartedByHand[],
  dependencies?: Dependencies,
): string[] {
  const members = ran.map((one) => ({ ...one, id: one.name }));
  const needs = needsOf(members, dependencies ?? {});
  const waves = wavesOf(members, needs);
  const awaited = (wave: readonly StartedByHand[]) => {
    const all = wave.flatMap(({ name }) => needs.get(name) ?? []);
    const names = all.filter(({ condition }) => condition === "healthy").map(({ on }) => on);
    return ran.filter(({ name, healthy }) => healthy && names.includes(name));
  };
  const waited = new Set<StartedByHand>();
  const starts = waves.flatMap((wave) => {
    const first = awaited(wave).filter((one) => !waited.has(one));
    for (const one of first) waited.add(one);
    return [...first.map(waitHealthy), `docker start ${namesOf(wave)}`];
  });
  const paused = ran.filter(({ isPaused }) => isPaused);
  return [
    ...starts,
    ...(paused.length === 0 ? [] : [`docker pause ${namesOf(paused)}`]),
    ...ran.map(
      ({ name, restartPolicy }) => `docker update --restart=${restartPolicy} ${quoted(name)}`,
    ),
  ];
}

function wavesOf<One extends StartedByHand>(
  members: readonly One[],
  needs: ReadonlyMap<string, readonly Need[]>,
): One[][] {
  const waves: One[][] = [];
  const started = new Set<string>();
  // The needs form no cycle, so each round starts at least one container.
  while (started.size < members.length) {
    const wave = members.filter(
      ({ name }) =>
        !started.has(name) && (needs.get(name) ?? []).every(({ on }) => started.has(on)),
    );
    for (const { name } of wave) started.add(name);
    waves.push(wave);
  }
  return waves;
}

function waitHealthy({ name }: StartedByHand): string {
  const look = `docker inspect --format "{{.State.Health.Status}}" ${quoted(name)} | grep -qx healthy`;
  return `timeout ${waitSeconds} sh -c 'until ${look}; do sleep 1; done'`;
}

function namesOf(containers: readonly StartedByHand[]): string {
  return containers.map(({ name }) => quoted(name)).join(" ");
}
