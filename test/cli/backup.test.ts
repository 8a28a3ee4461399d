import { expect, it } from "vitest";
import { keeper } from "./keeper.ts";

// What is refused before the engine is even looked for: nobody listens at this address.
const env = { DOCKER_HOST: "unix:///nonexistent/docker.sock", HOME: "/nonexistent" };

it.each([
  [["--recipients", "age1typo"], 'recipients has "age1typo", which is not an age recipient'],
  [["--recipients", "@/nonexistent/keys"], "which is neither an age recipient nor a readable file"],
  [["--upload", "artifact"], "upload is artifact, but nothing encrypts the backup"],
  [["--keep-last", "none"], 'keep-last is "none": write a whole number'],
  [["--consistency", "hot"], 'consistency is "hot": write one of live, stopped'],
  [["--recipient", "x"], "unknown flag --recipient: did you mean --recipients?"],
])("backup %j is refused with exit 2", async (args, message) => {
  const run = await keeper(["backup", "--json", ...args], { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout)).toMatchObject({ result: "refused" });
  const { message: told } = JSON.parse(run.stdout).reason;
  expect(told).toContain(message);
  expect(told).not.toContain("\n");
});

it("takes no passphrase where every user of the host could read it", async () => {
  const run = await keeper(["backup", "--json", "--passphrase", "open sesame"], { env });
  expect(run.code).toBe(2);
  expect(run.stdout + run.stderr).not.toContain("sesame");
  expect(JSON.parse(run.stdout).reason.message).toContain("SOPHON_KEEPER_PASSPHRASE");
});

it("upload is refused where there is no artifact service, before anything is done", async () => {
  const recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
  const args = ["backup", "--json", "--upload", "artifact", "--recipients", recipient];
  const run = await keeper(args, { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout).reason.message).toContain("only in a step of the action");
});

it("prune without a rule removes nothing and says which rules there are", async () => {
  const run = await keeper(["prune", "--json"], { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout).reason.message).toContain("give keep-last, keep-daily");
});

it("an engine that is down is refused, not a bug", async () => {
  const run = await keeper(["backup", "--json"], { env });
  expect(run.code).toBe(2);
  expect(JSON.parse(run.stdout).result).toBe("refused");
});

it("lists an empty repository as such, without an engine", async () => {
  const run = await keeper(["list", "--json", "--repository", "/nonexistent/repository"], { env });
  expect(run.code).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({ result: "listed", backups: [] });
});
