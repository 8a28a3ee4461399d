// @module-tag exhaustive
import { expect, it } from "vitest";
import type { Candidate, Rehearsal } from "../../src/model/rehearsal.ts";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { type BadVersion, badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { backedUp, clonesOf, keptDataOf, phasesOf, rehearseAs } from "./rehearse-lab.ts";
import { byClock, failing, failureClasses } from "./support/failure-classes.ts";
import type { Caller } from "./support/keeper.ts";
import { containersOf, expectAsBefore, look, stackArguments, startKeeper } from "./upgrade-lab.ts";

// Fourteen clones, one after the other; as a user of the docker group each step is made in a helper container.
const timeout = 3_600_000;
const tiers: readonly LabStack["tier"][] = ["personal", "pro", "enterprise"];
const callers: readonly Caller[] = ["root", "docker user"];
const rows = callers.flatMap((caller) => tiers.map((tier) => [tier, caller] as const));
const good = ["1.2.0", "1.2.0-words", "1.2.0-slow-health"] as const;
/** What ends by the clock alone gets this time. The start of the old version in the rollback has it, too. */
const clockSeconds = 40;
/** Good, but it takes longer than that: its migration shows progress. */
const slow = {
  ...goodVersions["1.2.0-slow-migration"],
  version: "1.2.0-slow-rehearsal",
  faults: { slowMigration: { seconds: clockSeconds + 10, steps: 10 } },
};

/** Rehearses several images on the same restored data. @returns what became of each, and the rest of the result. */
async function tryAll(
  stack: LabStack,
  caller: Caller,
  references: readonly string[],
  ...more: readonly string[]
) {
  const named = references.map((reference, at) =>
    at === 0 ? `sophon-gateway=${reference}` : reference,
  );
  const candidates = ["--candidates", named.join(",")];
  const { result, stderr } = await rehearseAs(caller, stack, "", ...candidates, ...more).done;
  const { candidates: found = [], control } = (result?.rehearsal ?? {}) as Rehearsal;
  expect(control, stderr).toMatchObject({ healthySeconds: expect.any(Number) });
  if (process.env.SHOW !== undefined) {
    for (const { reference, seconds } of found)
      console.log(`${seconds.toFixed(1)} s: ${reference}`);
  }
  return { found, result, stderr };
}

/** What every candidate of a run is expected to become. */
function told(found: readonly Candidate[], bad: readonly BadVersion[]) {
  return found.map(({ result, reason }, at) => {
    const name = bad[at];
    if (name === undefined) return { result, class: reason?.class };
    const isAsLive = failureClasses[name].test(reason?.class ?? "");
    return { name, result, class: isAsLive ? "as in the live gate" : reason?.class };
  });
}

it.each(rows)(
  "every bad image fails by the class of the live gate, every good one passes: %s, as %s",
  { timeout },
  async (tier, caller) => {
    await ensureDockerUser();
    const owner = caller === "root" ? {} : { owner: dockerUser };
    const name = `images-${caller === "root" ? "root" : "user"}`;
    await using stack = await createStack({ tier, name, ...owner });
    await backedUp(stack, caller);
    const [before, containers] = [await look(stack), await containersOf(stack)];
    const publish = async (names: readonly BadVersion[]) => {
      const all: string[] = [];
      for (const one of names) all.push(await stack.publish(wrecking(badVersions[one])));
      return all;
    };
    const asLive = (names: readonly BadVersion[]) =>
      names.map((one) => ({ name: one, result: "failed", class: "as in the live gate" }));

    const passed = { result: "passed", class: undefined };
    const late = await tryAll(
      ...([stack, caller, [...(await publish(byClock)), await stack.publish(slow)]] as const),
      ...["--health-timeout", `${clockSeconds}s`],
    );
    expect(told(late.found, byClock), late.stderr).toEqual([...asLive(byClock), passed]);

    const ending = failing.filter((one) => !byClock.includes(one));
    const references = await publish(ending);
    for (const one of good) references.push(await stack.publish(goodVersions[one]));
    // A version that is healthy for five seconds must not outlast the soak.
    const rest = await tryAll(stack, caller, references, "--soak", "8s", "--health-timeout", "3m");
    const passing = good.map(() => passed);
    expect(told(rest.found, ending), rest.stderr).toEqual([...asLive(ending), ...passing]);

    expect(phasesOf(rest.result)).not.toContain("restore");

    await startKeeper(["prune", ...stackArguments(stack), "--keep-last", "9"], caller).done;
    expect(await keptDataOf(stack)).toEqual([]);
    expect(await containersOf(stack)).toEqual(containers);
    expect(await clonesOf(stack)).toEqual([]);
    await expectAsBefore(stack, before, `${tier} as ${caller}`);
  },
);
