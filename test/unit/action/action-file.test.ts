import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";

const file = join(import.meta.dirname, "../../../action.yml");

it.each(["1.1", "1.2"] as const)(
  "is read with texts as defaults by a YAML %s reader",
  async (version) => {
    const { inputs } = parse(await readFile(file, "utf8"), { version });
    const defaults = Object.values(inputs as Record<string, { default?: unknown }>)
      .map((input) => input.default)
      .filter((value) => value !== undefined);
    expect(defaults).toContain("on");
    expect(defaults.filter((value) => typeof value !== "string")).toEqual([]);
  },
);
