import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { layerLint, layerProblems } from "../../scripts/layers.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

it("every folder has a row, every row its folder, and no file stands where only subfolders have rows", async () => {
  await using root = await temporaryDirectory("sk-layers-");
  for (const folder of ["model", "archive/new", "operations/new", "operations/backup"]) {
    await mkdir(join(root.path, "src", folder), { recursive: true });
  }
  await writeFile(join(root.path, "src/operations/loose.ts"), "");
  const told = layerProblems(root.path).join("\n");
  for (const folder of ["archive/new", "operations/new", "operations"]) {
    expect(told).toContain(`src/${folder} has no row`);
  }
  for (const row of ["archive/tar", "operations/fill", "core"]) {
    expect(told).toContain(`a row for src/${row}, which does not exist`);
  }
  expect(told).not.toMatch(/src\/(model|archive|operations\/backup)[ ,]/);
});

it("what may start programs may import no more than its neighbours", () => {
  const { overrides } = JSON.parse(layerLint()) as {
    readonly overrides: readonly {
      readonly includes: readonly string[];
      readonly linter: {
        readonly rules: {
          readonly style: {
            readonly noRestrictedImports: {
              readonly options: { readonly paths: object; readonly patterns: unknown };
            };
          };
        };
      };
    }[];
  };
  const optionsOf = (path: string) =>
    overrides.find(({ includes }) => includes[0] === path)?.linter.rules.style.noRestrictedImports
      .options;
  const [folder, file] = [optionsOf("src/core/**"), optionsOf("src/core/exec.ts")];
  expect(file?.patterns).toEqual(folder?.patterns);
  expect(folder?.paths).toHaveProperty(["node:child_process"]);
  expect(file?.paths).not.toHaveProperty(["node:child_process"]);
});
