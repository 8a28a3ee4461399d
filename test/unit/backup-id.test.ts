import { expect, it } from "vitest";
import { backupId, isBackupId } from "../../src/model/backup-id.ts";

const id = backupId("sophon", new Date("2026-11-22T20:44:00.123Z"), "3911");

it("an id is the project, the second and four digits", () => {
  expect(id).toBe("sophon-20261122T204400Z-3911");
  expect(isBackupId(id)).toBe(true);
});

it("the directory of a backup in the making is none", () => {
  expect(isBackupId(`.partial-${id}`)).toBe(false);
});
