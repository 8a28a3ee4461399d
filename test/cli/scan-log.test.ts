import { expect, it } from "vitest";
import { keeper } from "./keeper.ts";

const failed =
  "fail: Microsoft.EntityFrameworkCore.Database.Command[20102]\n      Failed executing DbCommand (1ms)\n";

it("judges standard input and exits as it judged", async () => {
  const scan = await keeper(["scan-log", "--json"], { input: failed });
  expect(scan.code).toBe(4);
  expect(JSON.parse(scan.stdout)).toMatchObject({ result: "failed" });
});

it("never takes an empty log for a good one", async () => {
  const scan = await keeper(["scan-log", "--json"]);
  expect(scan.code).toBe(5);
  expect(JSON.parse(scan.stdout)).toMatchObject({ result: "unverifiable" });
});

it("refuses a pattern that is none", async () => {
  const scan = await keeper(["scan-log", "--json", "--log-deny", "("], { input: failed });
  expect(scan.code).toBe(2);
  expect(JSON.parse(scan.stdout).reason.message).toMatch(/^log-deny has "\("/);
});
