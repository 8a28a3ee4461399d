import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { keeper, shipped } from "./keeper.ts";

it.each([
  [[], "no command given"],
  [["scan-logs"], "did you mean scan-log?"],
  [["scan-log", "--log-alow", "x"], "did you mean --log-allow?"],
  [["scan-log", "a.log"], 'unexpected word "a.log": it reads standard input'],
  [["list", "word"], 'unexpected word "word": list takes flags only'],
  [["restore", "--target", " "], "--target has no value"],
  [["backup", "--recipients", ""], "--recipients has no value"],
  [["backup", "--recipients", ","], "recipients given but empty"],
  [["backup", "--recipients", "/dev/null"], "recipients given but empty"],
  [["backup", "--passphrase", "@/dev/null"], "passphrase given but empty"],
])("refuses %j with one object and exit 2", async (args, message) => {
  const usage = await keeper([...args, "--json"]);
  expect(usage.code).toBe(2);
  const { result, reason } = JSON.parse(usage.stdout);
  expect(result).toBe("refused");
  expect(reason.message).toContain(message);
});

it("refuses a backup whose passphrase variable is set but empty", async () => {
  const usage = await keeper(["backup", "--json"], { env: { SOPHON_KEEPER_PASSPHRASE: "" } });
  expect(usage.code).toBe(2);
  expect(JSON.parse(usage.stdout).reason).toMatchObject({
    class: "no-recipient",
    message: expect.stringContaining("passphrase given but empty"),
  });
});

it.each([
  ["SOPHON_KEEPER_RECIPIENTS", "age1…", /^SOPHON_KEEPER_RECIPIENTS is not read: give --recipients/],
  ["SOPHON_KEEPER_KEEP_DAILY", "7", /^SOPHON_KEEPER_KEEP_DAILY is not read: give --keep-daily/],
])("refuses the variable %s, which would silently do nothing", async (name, value, message) => {
  const usage = await keeper(["backup", "--json"], { env: { [name]: value } });
  expect(usage.code).toBe(2);
  expect(JSON.parse(usage.stdout).reason).toMatchObject({
    class: "usage",
    message: expect.stringMatching(message),
  });
});

it("lets a variable be that the command has no input for, or whose flag is given", async () => {
  const env = { SOPHON_KEEPER_RECIPIENTS: "age1…", SOPHON_KEEPER_ELSE: "x" };
  const other = await keeper(["scan-log", "--json"], { env });
  expect(JSON.parse(other.stdout).result).toBe("unverifiable");
  const given = await keeper(["backup", "--json", "--recipients", "none"], { env });
  expect(JSON.parse(given.stdout).reason.message).not.toContain("is not read");
});

it("says the same to a person on standard error, and nothing on standard output", async () => {
  const usage = await keeper(["scan-logs"]);
  expect(usage.code).toBe(2);
  expect(usage.stdout).toBe("");
  expect(usage.stderr).toBe('refused: unknown command "scan-logs": did you mean scan-log?\n');
});

it("tells its version", async () => {
  expect((await keeper(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

it("is a command of its own once it is linked into the path", async () => {
  await using bin = await temporaryDirectory("sophon-keeper-bin-");
  symlinkSync(join(await shipped(), "cli.js"), join(bin.path, "sophon-keeper"));
  const env = { PATH: `${bin.path}:${dirname(process.execPath)}:/usr/bin:/bin` };
  const version = execFileSync("sophon-keeper", ["--version"], { env, encoding: "utf8" });
  expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
});
