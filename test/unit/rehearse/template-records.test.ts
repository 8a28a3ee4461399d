import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { holdBackup, livingHolders } from "../../../src/repository/holds.ts";
import {
  beginTemplate,
  claimTemplate,
  forgetTemplate,
  offeredTemplates,
  offerTemplate,
  type TemplateRecord,
  templateState,
} from "../../../src/repository/template-records.ts";

const record: TemplateRecord = {
  ...{ format: 1, id: "template-1", at: "2026-11-20T10:00:00.000Z", project: "app" },
  ...{ toolVersion: "1", backupId: "app-1", manifestSha256: "ab", volumes: ["v-0"] },
  rules: { cloneHealth: "on", logAllow: [], logDeny: [] },
  baseline: {
    ...{ healthySeconds: 1, stopSeconds: 2, noise: [], mustLog: ["app"], complaints: [] },
    contents: { data: { files: { min: 1, max: 2 }, bytes: 3 } },
    databases: {
      ...{ histories: { "db/app": ["1_Init"] }, all: { "db/app": ["1_Init"], "db/new": [] } },
      shapes: {
        "db/app": { constructor: { rows: 1, columns: { id: { type: "int", values: 1 } } } },
      },
      postgres: [{ service: "db", user: "app", database: "app", port: 5433 }],
    },
  },
};
let path = "";

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "templates-"));
});
afterEach(() => rm(path, { recursive: true }));

describe("a template", () => {
  it("is offered, newest first, and belongs to the only one who claims it", async () => {
    await offerTemplate({ path }, record);
    await offerTemplate({ path }, { ...record, id: "template-2", at: "2026-11-21T10:00:00.000Z" });
    expect((await offeredTemplates({ path })).map(({ id }) => id)).toEqual([
      "template-2",
      "template-1",
    ]);
    expect((await offeredTemplates({ path }))[1]).toEqual(record);
    const { databases: _none, ...older } = record.baseline;
    const earlier = {
      ...record,
      id: "template-0",
      at: "2026-11-19T10:00:00.000Z",
      baseline: older,
    };
    await offerTemplate({ path }, earlier);
    expect((await offeredTemplates({ path })).at(-1)).toEqual(earlier);
    await forgetTemplate({ path }, "template-0");
    const claims = await Promise.all(
      ["a", "b", "c"].map((operation) => claimTemplate({ path }, "template-1", operation)),
    );
    expect(claims.filter((isMine) => isMine)).toEqual([true]);
    expect((await offeredTemplates({ path })).map(({ id }) => id)).toEqual(["template-2"]);
  });

  it("is used as long as its operation lives, and offered again by it", async () => {
    const held = await holdBackup({ path }, "app-1", "rehearsal-1");
    expect(await livingHolders({ path })).toEqual(new Set(["rehearsal-1"]));
    await offerTemplate({ path }, record);
    await claimTemplate({ path }, "template-1", "rehearsal-1");
    expect(await templateState({ path }, "template-1")).toEqual({ state: "used" });
    await offerTemplate({ path }, record);
    expect(await templateState({ path }, "template-1")).toEqual({ state: "offered", record });
    expect(await readdir(join(path, "templates"))).toEqual(["template-1.json"]);
    await claimTemplate({ path }, "template-1", "rehearsal-1");
    await held[Symbol.asyncDispose]();
    // Whoever claimed it has died.
    expect(await templateState({ path }, "template-1")).toEqual({ state: "none" });
    await forgetTemplate({ path }, "template-1");
    expect(await readdir(join(path, "templates"))).toEqual([]);
  });

  it("cannot be judged where nothing of it is seen, and is none if its maker died", async () => {
    const unknown = { state: "unknown" };
    expect(await templateState({ path: join(path, "gone") }, "template-1")).toEqual(unknown);
    await offerTemplate({ path }, record);
    await rm(join(path, "templates", "template-1.json"));
    expect(await templateState({ path }, "template-1")).toEqual(unknown);
    beginTemplate({ path }, "template-1", "rehearsal-1");
    expect(await templateState({ path }, "template-1")).toEqual({ state: "none" });
    await offerTemplate({ path }, { ...record, id: "template-2" });
    expect(await templateState({ path }, "template-2")).toMatchObject({ state: "offered" });
  });
});
