import { expect, it } from "vitest";
import { refuseOwnStarts } from "../../../src/operations/live-stack/own-starts.ts";
import { highestNumbers } from "../../../src/operations/live-stack/replica-numbers.ts";

it("creates replicas up to the highest number that there was", () => {
  const all = ["shop-web-2", "shop-web-5", "shop-api-1"].map((name) => ({
    ...{ name, service: name.split("-")[1] ?? "" },
  }));
  const named = { name: "redis-6", service: "cache" };
  expect(highestNumbers([...all, named], "shop")).toEqual({ web: 5, api: 1, cache: 1 });
});

it("refuses what only Compose does around a start", () => {
  const refused = (service: Record<string, unknown>) => () =>
    refuseOwnStarts({ services: { web: {}, app: service } } as never);
  expect(refused({ post_start: [{ command: "x" }] })).toThrow("service app has post_start");
  expect(refused({ pre_stop: [{ command: "x" }] })).toThrow("service app has pre_stop");
  expect(refused({ provider: { type: "x" } })).toThrow("service app has a provider");
  expect(refused({ post_start: [] })).not.toThrow();
});
