import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Mount } from "../../../src/model/stack.ts";
import {
  changesSince,
  type FinishedRestore,
  lastRestore,
  servicesBefore,
} from "../../../src/operations/restore/finished-restore.ts";
import { restoreJournal } from "../../../src/operations/restore/journal.ts";
import { createJournal } from "../../../src/operations/session/journal.ts";

const container = (name: string, imageId: string) => ({
  ...{ id: `id-${name}`, name: `${name}-1`, service: name, restartPolicy: "no", ran: true },
  ...{ healthy: true, imageId, imageReference: `${name}:1`, state: "running", health: "healthy" },
});
const replacement = (target: string, volume?: string) => ({
  ...{ target, stamp: "before-1" },
  place: {
    mounts: [{ path: target, readOnly: false, ...(volume === undefined ? {} : { volume }) }],
  },
});
const mount = (source: string, volume?: string): Mount => ({
  ...{ type: "bind", source, target: "/data", writable: true, anonymous: false, plain: true },
  ...(volume === undefined ? {} : { volume }),
});

describe("the newest restore of a project", () => {
  let operations: string;
  beforeEach(() => {
    operations = mkdtempSync(join(tmpdir(), "sophon-keeper-finished-"));
  });
  afterEach(() => rmSync(operations, { recursive: true }));

  function restored(
    turn: number,
    { project = "sophon", outcome = "done", target = `/srv/${turn}`, records = true } = {},
  ): string {
    const id = `${project}-20260102T03040${turn}Z-00aa`;
    const about = { clock: systemClock, about: { project, operation: "restore" } };
    const journal = createJournal(operations, id, restoreJournal, about);
    journal.append("restore", "stop", { containers: [container("app", "sha256:1")] });
    journal.append("restore", "set-aside", replacement(target));
    journal.append("restore", "set-aside", replacement("/srv/new"));
    const containers = [{ name: "app-1", imageId: "sha256:1" }];
    const discard = [replacement("/srv/new")];
    journal.append("restore", "restored", { discard, ...(records ? { containers } : {}) });
    journal.close(outcome);
    return id;
  }

  it("is the last that succeeded, with the places that keep something", () => {
    expect(lastRestore(operations, "sophon")).toBeUndefined();
    restored(1);
    const id = restored(2);
    restored(3, { outcome: "undone" });
    restored(4, { project: "other" });
    const last = lastRestore(operations, "sophon");
    expect(last).toMatchObject({ id, left: [{ name: "app-1", imageId: "sha256:1" }] });
    expect(last?.places.map(({ target }) => target)).toEqual(["/srv/2"]);
  });

  it("left the containers as they were, if an earlier version made it and created none", () => {
    restored(1, { records: false });
    const last = lastRestore(operations, "sophon");
    expect(last?.left).toMatchObject([{ name: "app-1", imageId: "sha256:1" }]);
  });
});

describe("what changed in a stack since a restore", () => {
  const last: FinishedRestore = {
    ...{ id: "one", at: undefined, places: [replacement("/srv/data")] },
    before: [container("app", "sha256:2"), container("db", "sha256:5")],
    left: [
      { name: "app-1", imageId: "sha256:1" },
      { name: "db-1", imageId: "sha256:5" },
    ],
  };
  const app = { ...container("app", "sha256:1"), mounts: [mount("/srv/data")] };
  const db = { ...container("db", "sha256:5"), mounts: [] };
  const services = ["app", "db"];

  it("is nothing while it runs what the restore left, whatever it ran before", () => {
    expect(changesSince(last, [app, db], services)).toEqual([]);
    const added = { ...container("more", "sha256:9"), mounts: [] };
    expect(changesSince(last, [app, db, added], services)).toEqual([]);
  });

  it.each([
    ["another image", [{ ...app, imageId: "sha256:3" }, db], services, /app-1 runs another image/],
    ["a removed container", [app], services, /db-1 no longer exists/],
    ["a service that left the files", [app, db], ["db"], /app is no longer in the compose files/],
    ["another place", [{ ...app, mounts: [mount("/srv/b")] }, db], services, /\/srv\/data mounted/],
    [
      "a place that is only read now",
      [{ ...app, mounts: [{ ...mount("/srv/data"), writable: false }] }, db],
      services,
      /\/srv\/data mounted/,
    ],
  ])("is told: %s", (_, containers, files, told) => {
    expect(changesSince(last, containers, files)).toEqual([expect.stringMatching(told)]);
  });

  it("knows a volume of a driver by its name, which has no path of its own", () => {
    const ofDriver = { ...last, places: [replacement("/mnt/x", "sophon_nfs")] };
    const mounted = { ...app, mounts: [mount("/elsewhere", "sophon_nfs")] };
    expect(changesSince(ofDriver, [mounted, db], services)).toEqual([]);
    expect(changesSince(ofDriver, [app, db], services)).toHaveLength(1);
  });

  it("gives each service the image and the number of containers from before", () => {
    const replica = { ...container("db", "sha256:5"), name: "db-2", ran: false };
    expect(servicesBefore({ before: [...last.before, replica] })).toMatchObject({
      app: { image: "app:1", imageId: "sha256:2", replicas: 1, state: "running" },
      db: { imageId: "sha256:5", replicas: 2 },
    });
  });
});
