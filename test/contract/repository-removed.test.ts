import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Repository } from "../../src/repository/repository.ts";

it("a list that is made while backups are removed tells of those that are there, and never fails", async () => {
  const repository = new Repository(await mkdtemp(join(tmpdir(), "sophon-keeper-removed-")));
  await repository.create();
  try {
    for (let round = 0; round < 100; round++) {
      const ids = Array.from({ length: 8 }, (_, at) => `sophon-20260101T00000${at}Z-00aa`);
      for (const id of ids) {
        await mkdir(repository.directory(id));
        await writeFile(join(repository.directory(id), "manifest.json"), "{}");
      }
      const [lists] = await Promise.all([
        Promise.all(Array.from({ length: 8 }, () => repository.list())),
        Promise.all(ids.map((id) => repository.remove(id))),
      ]);
      const problems = lists.flat().map(({ problem }) => problem ?? "");
      expect(problems.filter((problem) => problem.includes("ENOENT"))).toEqual([]);
    }
  } finally {
    await rm(repository.path, { recursive: true });
  }
});
