import type { ComposeModel, ComposeService } from "../model/stack.ts";
import type { ContainerFacts } from "./container-facts.ts";

/** What a container is compared with. */
export interface Expected {
  readonly service: ComposeService;
  readonly name: string;
  readonly model: ComposeModel;
  /** The container that a namespace of `service:NAME` is joined from, by service: ids. */
  readonly idsOf: (service: string) => readonly string[];
  /** Whether two paths on this host are the same place. */
  readonly samePlace: (a: string, b: string) => boolean;
}

/** One property: what the files say, and what the container has. Undefined is nothing. */
export interface Property {
  readonly path: string;
  readonly wanted: unknown;
  readonly actual: unknown;
}

/** How some keys of a service are found in a container. */
export interface Rule {
  readonly keys: readonly string[];
  readonly read: (expected: Expected, facts: ContainerFacts) => readonly Property[];
}
