import type { DiscoveredStore } from "../../model/stack.ts";
import type { Clone } from "../clone/clone.ts";
import { startActivity } from "../gate/database-activity.ts";
import type { Histories } from "../gate/schema.ts";
import {
  readHistories,
  type SchemaContext,
  schemaBack,
  schemaNow,
  schemaPlaces,
} from "../gate/schema-check.ts";
import type { GateTarget } from "../gate/target.ts";
import type { Trial, TrialDependencies } from "./trial.ts";

/** The databases of a clone that EF Core may migrate. */
export class CloneDatabases {
  readonly #clone: Clone;
  readonly #filled: readonly DiscoveredStore[];
  readonly #dependencies: TrialDependencies;
  readonly #context: SchemaContext;

  constructor(
    clone: Clone,
    filled: readonly DiscoveredStore[],
    { workbench: { containers, tasks } }: Pick<Trial, "workbench">,
    dependencies: TrialDependencies,
  ) {
    this.#clone = clone;
    this.#filled = filled;
    this.#dependencies = dependencies;
    this.#context = { present: () => clone.containers(), containers, tasks, dependencies };
  }

  /** The applied migrations. With `everywhere` also those of databases that the backup does not have. */
  async histories(where: { readonly everywhere?: boolean } = {}): Promise<Histories> {
    return await readHistories(this.#context, schemaPlaces({ stores: this.#filled }), where);
  }

  /** What the gate asks of the databases while a version starts on these histories. */
  during(histories: Histories): Pick<GateTarget, "schema" | "activity"> {
    const before = this.#before(histories);
    const services = new Set(this.#clone.services);
    const { host, clock } = this.#dependencies;
    const activity = host
      .engine()
      .then((engine) => startActivity({ ...this.#context, engine }, services, before, clock));
    return {
      schema: (announced) => schemaNow(this.#context, before, announced),
      activity: async () => await (await activity)(),
    };
  }

  /** What the gate asks of them after a rollback: they hold exactly these histories. */
  after(histories: Histories): Pick<GateTarget, "schema"> {
    return { schema: () => schemaBack(this.#context, this.#before(histories)) };
  }

  #before(histories: Histories) {
    return { ...schemaPlaces({ stores: this.#filled }), histories };
  }
}
