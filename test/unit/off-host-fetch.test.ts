import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import type { Remote } from "../../src/destinations/remote.ts";
import { fetchInto } from "../../src/operations/off-host/fetch.ts";

it("fetches nothing of a backup for which the disk has no room", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-room-"));
  try {
    const file = { sha256: "0".repeat(64), candidates: [] };
    const backup = {
      ...{ project: "stack", id: "stack-20260301T021700Z-0001", signer: "nobody" as const },
      files: [
        { ...file, name: "data.tar.zst.age", bytes: 2 ** 52 },
        { ...file, name: "manifest.json.age", bytes: 100 },
      ],
    };
    const remote = {
      fetch: async () => {
        throw new Error("asked for a file");
      },
    } as unknown as Remote;
    const { signal } = new AbortController();
    const tools = { reporter: silentReporter, clock: systemClock, signal };
    const options = { identity: [], passphrase: undefined };
    const fetching = fetchInto(directory, { remote, backup, address: "s3://b/x" }, options, tools);
    await expect(fetching).rejects.toMatchObject({
      class: "no-space",
      message: expect.stringMatching(/^backup: fetching it needs .*, but only .* are free in /),
    });
    expect(await readdir(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
