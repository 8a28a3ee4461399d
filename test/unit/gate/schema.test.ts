import { describe, expect, it } from "vitest";
import { judgeSchema } from "../../../src/operations/gate/schema.ts";

const before = { "data/data/sophon.db": ["1_Init", "2_Quota"] };

describe("the schema head", () => {
  it("is as before, or further, with every former migration", () => {
    expect(judgeSchema(before, before, [])).toMatchObject({ pending: [] });
    const after = { "data/data/sophon.db": ["1_Init", "2_Quota", "3_Tenants"] };
    const { checks, reason } = judgeSchema(before, after, ["3_Tenants"]);
    expect(reason).toBeUndefined();
    expect(checks).toEqual([
      {
        ...{ name: "schema", component: "data/data/sophon.db", status: "pass" },
        detail: "3 migrations, the last is 3_Tenants; it was 2_Quota",
      },
    ]);
  });

  it.each([
    ["a former migration is gone", { "data/data/sophon.db": ["1_Init", "3_Tenants"] }],
    ["the history is empty", { "data/data/sophon.db": [] }],
    ["the history is gone", {}],
  ])("fails where %s", (_, after) => {
    const { checks, reason } = judgeSchema(before, after, []);
    expect(reason?.class).toBe("schema-conflict");
    expect(checks.some(({ status }) => status === "fail")).toBe(true);
  });

  it("waits for what the log announced, wherever it ends up", () => {
    expect(judgeSchema(before, before, ["3_Tenants"])).toMatchObject({
      ...{ pending: ["3_Tenants"], reason: { class: "migration" } },
    });
    const after = { ...before, "postgres/sophon": ["3_Tenants"] };
    expect(judgeSchema(before, after, ["3_Tenants"]).reason).toBeUndefined();
  });

  it("says nothing of a stack without a history", () => {
    expect(judgeSchema({}, {}, [])).toEqual({ checks: [], pending: [] });
    expect(judgeSchema({}, {}, ["3_Tenants"])).toMatchObject({
      ...{ checks: [{ status: "unverifiable" }], pending: [] },
    });
  });
});
