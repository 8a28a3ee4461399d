import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { composeMatrix, notCompared } from "../../scripts/compose-matrix.ts";
import { cloneKeys } from "../../src/model/clone-keys.ts";
import { cloneParts } from "../../src/model/clone-parts.ts";
import { comparedKeys } from "../../src/stack/definition-drift.ts";

const { sections } = JSON.parse(
  readFileSync(new URL("../../scripts/compose-spec.json", import.meta.url), "utf8"),
) as { sections: Record<string, readonly string[]> };
const keys = new Set(sections.services);

describe("every key of the Compose specification", () => {
  it.each(Object.entries(sections))("has its row: %s", (section, names) => {
    expect(new Set(Object.keys(composeMatrix[section] ?? {}))).toEqual(new Set(names));
  });

  it("of a service is compared with what runs, or it is said why not", () => {
    const decided = [...comparedKeys, ...Object.keys(notCompared)];
    expect(keys.difference(new Set(decided))).toEqual(new Set());
    expect(Object.keys(notCompared).filter((key) => comparedKeys.has(key))).toEqual([]);
    expect(decided.filter((key) => !keys.has(key))).toEqual([]);
  });

  it("of a service that a clone keeps in part is one that it rebuilds", () => {
    const rebuilt = Object.entries(cloneKeys).flatMap(([key, how]) =>
      typeof how === "object" && "rebuilt" in how ? [key] : [],
    );
    expect(Object.keys(cloneParts).filter((key) => !rebuilt.includes(key))).toEqual([]);
  });
});
