import type { ContainerFacts } from "./container-facts.ts";
import type { Expected, Property } from "./definition-property.ts";
import { rules } from "./definition-rules.ts";

/** The keys of a service that are compared. A test holds them against the schema of Compose. */
export const comparedKeys: ReadonlySet<string> = new Set(rules.flatMap(({ keys }) => keys));

/**
 * How a container differs from its service in the resolved model; its image apart. Compose's own hash cannot tell: it
 * changes with the version of Compose, and it does not say what differs.
 */
export function definitionDrift(expected: Expected, facts: ContainerFacts): Property[] {
  return rules
    .flatMap(({ read }) => read(expected, facts))
    .filter(({ wanted, actual }) => JSON.stringify(wanted) !== JSON.stringify(actual));
}
