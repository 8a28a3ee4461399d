import { afterAll, beforeAll, expect, it } from "vitest";
import type { DiscoveredStore } from "../../../src/model/stack.ts";
import type { Store } from "../../../src/stores/store.ts";
import { stores } from "../../../src/stores/stores.ts";
import type { LabStack } from "../../lab/lab-stack.ts";
import { followLedger, type Ledger } from "../../lab/ledger.ts";
import type { Snapshot } from "../../lab/snapshot.ts";
import { createStack } from "../../lab/stack.ts";
import { startWriters } from "../../lab/writers.ts";
import { discoverReal } from "../stack-discover.ts";
import { conformance } from "./conformance.ts";
import { contentsOf, subjectOf } from "./servers.ts";

// One stack for all stores, which writes into them all the time.
const scope = new AsyncDisposableStack();
let stack: LabStack;
let ledger: Ledger;
let found: readonly DiscoveredStore[];
let contents: Readonly<Record<string, Snapshot>>;

beforeAll(async () => {
  // Enough for something to be written at any moment, and little enough to be read one by one.
  const size = { smallFiles: 50, rows: 100, env: { LAB_WRITERS_RATE: "5" } };
  stack = scope.use(await createStack({ tier: "enterprise", name: "conformance", ...size }));
  ({ stores: found } = await discoverReal({ projectDirectory: stack.directory }));
  contents = await contentsOf(stack, found);
  ledger = scope.use(followLedger(stack));
  await startWriters(stack);
});

afterAll(() => scope.disposeAsync());

it.each(["redis", "qdrant", "data", "rabbitmq", "postgres"] as const)(
  "%s keeps what the contract of stores promises",
  async (kind) => {
    const store = found.find((one) => one.kind === kind);
    if (store === undefined) throw new Error(`the stack has no ${kind}`);
    const subject = await subjectOf(stack, store, ledger, contents[store.name] ?? {});
    expect(await conformance(stores[kind] as unknown as Store, subject)).toEqual([]);
  },
);
