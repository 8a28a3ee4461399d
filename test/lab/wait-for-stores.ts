import { beforeAll, expect } from "vitest";
import { beginsWithoutStores } from "../runner/slow-first.ts";
import { storesReady } from "./stores-ready.ts";

// On a new machine the stores are still being made while the first files run.

const file = expect.getState().testPath ?? "";
beforeAll(async () => {
  if (!beginsWithoutStores(file)) await storesReady();
});
