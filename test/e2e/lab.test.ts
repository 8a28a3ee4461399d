// @module-tag exhaustive

import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { followLedger } from "../lab/ledger.ts";
import { prober } from "../lab/prober.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { gatewayState, stopWriters } from "../lab/writers.ts";

const sections = {
  personal: ["files", "sqlite"],
  pro: ["files", "postgres", "qdrant"],
  enterprise: [
    "files",
    "postgres",
    "qdrant",
    "rabbitmq",
    "rabbitmq definitions",
    "redis",
    "redis with TTL",
  ],
} as const;

const writtenStores = {
  personal: ["file", "sqlite"],
  pro: ["file", "postgres", "qdrant"],
  enterprise: ["file", "postgres", "qdrant", "rabbitmq", "redis"],
} as const;

describe("the lab", () => {
  for (const tier of ["personal", "pro", "enterprise"] as const) {
    it(`${tier}: comes up seeded, and survives a restart of everything with the same content`, async () => {
      await using stack = await createStack({ tier, name: `lab-${tier}` });
      expect(await gatewayState(stack)).toMatchObject({ version: "1.1.0", credentials: 6 });

      const before = await snapshot(stack);
      expect(new Set(Object.keys(before))).toEqual(new Set(sections[tier]));
      await stack.compose(["restart", "--timeout", "30"]);
      await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "120"]);

      expect(diff(before, await snapshot(stack))).toEqual([]);
    });

    it(`${tier}: writers fill every store and what they wrote is there`, async () => {
      await using stack = await createStack({ tier, name: `lab-w-${tier}`, writers: true });
      await using ledger = followLedger(stack);
      await using probing = prober(`${stack.gatewayUrl}/api/health`, 50);
      const stores = () => new Set(ledger.entries().map((entry) => entry.store));
      await until("each store was written", 30_000, async () =>
        writtenStores[tier].every((store) => stores().has(store)),
      );
      await stopWriters(stack);

      const entries = await ledger.stop();
      const text = JSON.stringify(await snapshot(stack));
      const missing = entries.filter(({ store, key, target }) => {
        if (store === "qdrant" || store === "redis") return !text.includes(key);
        return store === "file" && target.startsWith("skills/") && !text.includes(target);
      });
      expect(missing).toEqual([]);
      expect((await probing.stop()).failures).toEqual([]);
    });
  }
});
