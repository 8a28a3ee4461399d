import { randomBytes } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { formatManifest } from "../../../src/model/manifest.ts";
import {
  keepIndexes,
  layOutIndexes,
  planIncrement,
} from "../../../src/operations/backup/increment.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { Repository } from "../../../src/repository/repository.ts";
import { volumeStore } from "../../../src/stores/tree/tree-store.ts";
import { run } from "../../lab/run.ts";
import { until } from "../../lab/step.ts";
import { bindMount, contextsOf } from "../stores-a/contexts.ts";
import { manifestOf, seal } from "./backup.ts";

/** Enough for the tick of a clock; a real backup waits for long writes, too. */
const REST_MS = 2000;

/** Backups of a directory, made one after the other by the parts of `backup --incremental` that need no engine. */
export class TestChain {
  readonly repository: Repository;
  readonly data: string;
  /** SQLite databases in the data. */
  databases: readonly string[] = [];
  readonly #root: string;
  #made = 0;

  private constructor(root: string) {
    this.#root = root;
    this.repository = new Repository(join(root, "repository"));
    this.data = join(root, "data");
  }

  /** @param made - how many backups the chain has there already */
  static async at(root: string, made = 0): Promise<TestChain> {
    const chain = new TestChain(root);
    await chain.repository.create();
    await mkdir(chain.data, { recursive: true });
    chain.#made = made;
    return chain;
  }

  /** Waits until all that is in the data was changed so long ago that its times prove its content later. */
  async settle(): Promise<void> {
    const found = await run(["timeout", "60", "find", this.data, "-printf", "%C@\n"]);
    const newest = Math.max(...found.split("\n").map(Number));
    await until("the data is settled", 10_000, async () => {
      return Date.now() - newest * 1000 > REST_MS + 100;
    });
  }

  /** Makes the next backup. @returns its id. */
  async backup(recipient: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
    const { repository } = this;
    const number = String(++this.#made).padStart(2, "0");
    const id = `sophon-202601${number}T030405Z-00aa`;
    const raw = { recipients: recipient, incremental: "true", ...more };
    const options = parseOptions("backup", raw, { workingDirectory: "/", home: undefined });
    const dependencies = {
      ...{ reporter: silentReporter, clock: systemClock, version: "0.0.0", destinations: {} },
      signal: new AbortController().signal,
      readInput: async () => new Uint8Array(),
    };
    const increment = await planIncrement({ repository, options, dependencies });
    if (increment === undefined) throw new Error("it is not incremental");
    const work = join(this.#root, `work-${randomBytes(4).toString("hex")}`);
    await mkdir(work);
    const sink = {
      recipients: [recipient],
      incremental: { ...increment.options, restMs: REST_MS },
    };
    const { backup } = contextsOf(work, { sink });
    await layOutIndexes(increment, repository, backup.sink.directory);
    const mount = bindMount(this.data);
    const store = {
      kind: "volume",
      name: "volume-data",
      mount,
      services: ["app"],
      databases: this.databases,
    } as const;
    const components = await volumeStore.backup(store, backup);
    await keepIndexes(increment, repository, id, backup.sink.directory);
    await rename(backup.sink.directory, repository.directory(id));
    const { parent, serial } = increment;
    const base = manifestOf(id, components);
    const manifest = { ...base, schemaVersion: 2 as const, parent, serial };
    const path = join(repository.directory(id), "manifest.json");
    await writeFile(path, formatManifest(manifest), { mode: 0o600 });
    await seal(repository.directory(id), manifest, recipient);
    await repository.forgetIndexes([id, ...increment.ancestors]);
    return id;
  }
}
