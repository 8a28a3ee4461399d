import type { ComposeModel, ContainerState } from "../../model/stack.ts";
import { composeLabels } from "../../stack/labels.ts";

/** The properties of a container that decide what it waits for. */
type Member = Pick<ContainerState, "id" | "name" | "service"> &
  Partial<Pick<ContainerState, "joins" | "labels">>;

/** One line of a service's `depends_on`. */
interface Dependency {
  readonly service: string;
  /** `service_started`, `service_healthy` or `service_completed_successfully`. */
  readonly condition: string;
  /** Whether Compose restarts the dependent service after it has recreated this one. */
  readonly restart: boolean;
}

/** The dependencies of each service, by name. */
export type Dependencies = Readonly<Record<string, readonly Dependency[]>>;

/** What one container waits for: another container that has started, is healthy, or has completed successfully. */
export interface Need {
  /** The name of the other container. */
  readonly on: string;
  readonly condition: "started" | "healthy" | "completed";
}

/** The dependencies of a model, without those that the model does not contain (`required: false`). */
export function dependenciesOf({ services }: Pick<ComposeModel, "services">): Dependencies {
  return Object.fromEntries(
    Object.entries(services).map(([name, { depends_on: needs }]) => [
      name,
      Object.entries(needs ?? {})
        .filter(([need]) => need in services)
        .map(([service, { condition, restart }]) => ({
          ...{ service, condition, restart: restart === true },
        })),
    ]),
  );
}

/**
 * What each container waits for, by name: `depends_on`, and the containers whose namespaces it joins. If `dependencies`
 * has no entry for a service, the label that Compose wrote on its container is used. Needs that would close a cycle are
 * dropped, so that nothing waits forever. Dependencies without a container are ignored.
 */
export function needsOf(
  members: readonly Member[],
  dependencies: Dependencies = {},
): ReadonlyMap<string, readonly Need[]> {
  const all = new Map(members.map((one) => [one.name, directNeeds(one, members, dependencies)]));
  const acyclic = new Map<string, Need[]>();
  const path = new Set<string>();
  const visit = (name: string): void => {
    if (acyclic.has(name)) return;
    path.add(name);
    const kept: Need[] = [];
    for (const need of all.get(name) ?? []) {
      if (path.has(need.on)) continue;
      visit(need.on);
      kept.push(need);
    }
    path.delete(name);
    acyclic.set(name, kept);
  };
  for (const { name } of members) visit(name);
  return acyclic;
}

/** Sorts containers so that each follows the ones it waits for, and keeps their order otherwise. */
export function inStartOrder<One extends Member>(
  members: readonly One[],
  dependencies?: Dependencies,
): One[] {
  const needs = needsOf(members, dependencies);
  const sorted = new Set<One>();
  const visit = (one: One): void => {
    if (sorted.has(one)) return;
    for (const { on } of needs.get(one.name) ?? []) {
      const other = members.find(({ name }) => name === on);
      if (other !== undefined) visit(other);
    }
    sorted.add(one);
  };
  for (const one of members) visit(one);
  return [...sorted];
}

/** The containers that join a namespace of a provider, directly or through another joiner; without the providers. */
export function joinersOf<One extends Member>(
  members: readonly One[],
  providers: readonly Pick<Member, "id" | "name">[],
): One[] {
  const found = new Set<Pick<Member, "id" | "name">>(providers);
  const joiners: One[] = [];
  // The iteration also visits entries that are added to the set meanwhile.
  for (const provider of found) {
    for (const one of members) {
      if (!joins(one, provider) || [...found].some(({ id }) => id === one.id)) continue;
      found.add(one);
      joiners.push(one);
    }
  }
  return joiners;
}

/** Whether a container joins a namespace of another. */
export function joins({ joins: all = [] }: Member, { id, name }: Pick<Member, "id" | "name">) {
  return all.some((given) => given === name || (given !== "" && id.startsWith(given)));
}

/** The services that Compose restarts with these ones (`restart: true` in `depends_on`), directly or transitively. */
export function restartedWith(
  services: readonly string[],
  dependencies: Dependencies,
): ReadonlySet<string> {
  const changed = new Set(services);
  for (const service of changed) {
    for (const [name, needs] of Object.entries(dependencies)) {
      if (needs.some((need) => need.restart && need.service === service)) changed.add(name);
    }
  }
  for (const service of services) changed.delete(service);
  return changed;
}

function directNeeds(
  one: Member,
  members: readonly Member[],
  dependencies: Dependencies,
): readonly Need[] {
  const given = dependencies[one.service] ?? labelled(one);
  const needs = given.flatMap(({ service, condition }) =>
    members
      .filter((other) => other.service === service && other.name !== one.name)
      .map(({ name }): Need => ({ on: name, condition: conditionOf(condition) })),
  );
  const providers = members
    .filter((other) => other !== one && joins(one, other))
    .filter(({ name }) => !needs.some(({ on }) => on === name))
    .map(({ name }): Need => ({ on: name, condition: "started" }));
  return [...needs, ...providers];
}

function conditionOf(text: string): Need["condition"] {
  if (text === "service_healthy") return "healthy";
  return text === "service_completed_successfully" ? "completed" : "started";
}

/** Parses Compose's label `service:condition:restart,...` (docker/compose `pkg/compose/create.go`). */
function labelled({ labels }: Member): Dependency[] {
  const text = labels?.[composeLabels.dependsOn] ?? "";
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [service = "", condition = "", restart] = part.split(":");
      return { service, condition, restart: restart === "true" };
    });
}
