import type { DatabaseShape } from "../../model/database-shape.ts";
import { lookTask } from "../../stack/look.ts";
import { postgresShapes } from "../../stores/postgres/table-shapes.ts";
import { sqliteShape } from "../../stores/sqlite/file-shapes.ts";
import type { Clone } from "../clone/clone.ts";
import { startActivity } from "../gate/database-activity.ts";
import type { Histories } from "../gate/schema.ts";
import {
  readHistories,
  type SchemaContext,
  type SchemaPlaces,
  schemaBack,
  schemaNow,
  serverOf,
} from "../gate/schema-check.ts";
import type { GateTarget } from "../gate/target.ts";
import type { Trial, TrialDependencies } from "./trial.ts";

/** The databases of a clone that EF Core may migrate. */
export class CloneDatabases {
  readonly #clone: Clone;
  /** How they are reached. */
  readonly places: SchemaPlaces;
  readonly #dependencies: TrialDependencies;
  readonly #context: SchemaContext;

  constructor(
    clone: Clone,
    places: SchemaPlaces,
    { workbench: { containers, tasks } }: Pick<Trial, "workbench">,
    dependencies: TrialDependencies,
  ) {
    this.#clone = clone;
    this.places = places;
    this.#dependencies = dependencies;
    this.#context = { present: () => clone.containers(), containers, tasks, dependencies };
  }

  /** The applied migrations. With `everywhere` also those of databases that the backup does not have. */
  async histories(where: { readonly everywhere?: boolean } = {}): Promise<Histories> {
    return await readHistories(this.#context, this.places, where);
  }

  /** The tables and columns of every database, by the names that {@link histories} uses. */
  async shapes(): Promise<Readonly<Record<string, DatabaseShape>>> {
    const { containers, tasks, present } = this.#context;
    const { signal } = this.#dependencies;
    const { sqlite, postgres } = this.places;
    const found: Record<string, DatabaseShape> = {};
    const add = (store: string, shapes: Readonly<Record<string, DatabaseShape>>) => {
      for (const [name, shape] of Object.entries(shapes)) found[`${store}/${name}`] = shape;
    };
    for (const { name, source, volume, databases } of sqlite) {
      const mount = { path: source, ...(volume === undefined ? {} : { volume }) };
      const reading = { mounts: [{ ...mount, readOnly: true }] };
      const look = { places: [{ path: source, skip: [], deep: true }] };
      const [seen] = await tasks.run(lookTask, look, reading, signal);
      const all = [...new Set([...databases, ...(seen?.databases ?? [])])];
      if (all.length === 0) continue;
      const place = { mounts: [{ ...mount, readOnly: false }] };
      const params = { path: source, databases: all };
      add(name, await tasks.run(sqliteShape, params, place, signal));
    }
    for (const one of postgres) {
      const store = await serverOf({ present, containers }, one);
      add(one.service, await postgresShapes(store, { containers, signal }));
    }
    return found;
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
    return { ...this.places, histories };
  }
}
