// @module-tag exhaustive
import { expect, it } from "vitest";
import type { Candidate, Rehearsal } from "../../src/model/rehearsal.ts";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { type BadVersion, badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { backedUp, clonesOf, rehearseAs } from "./rehearse-lab.ts";
import { byClock, failing, failureClasses } from "./support/failure-classes.ts";
import type { Caller } from "./support/keeper.ts";
import { containersOf, expectAsBefore, look } from "./upgrade-lab.ts";

// Fourteen clones, one after the other; as a user of the docker group each step is made in a helper container.
const timeout = 3_600_000;
const tiers: readonly LabStack["tier"][] = ["personal", "pro", "enterprise"];
const callers: readonly Caller[] = ["root", "docker user"];
const rows = callers.flatMap((caller) => tiers.map((tier) => [tier, caller] as const));
const good = ["1.2.0", "1.2.0-words", "1.2.0-slow-migration", "1.2.0-slow-health"] as const;

/** Rehearses several images on one restore. @returns what became of each, and the rest of the result. */
async function tryAll(
  stack: LabStack,
  caller: Caller,
  references: readonly string[],
  ...more: readonly string[]
) {
  const named = references.map((reference, at) =>
    at === 0 ? `sophon-gateway=${reference}` : reference,
  );
  const candidates = ["--candidates", named.join(","), "--template-keep", "0"];
  const { result, stderr } = await rehearseAs(caller, stack, "", ...candidates, ...more).done;
  const { candidates: found = [], control } = (result?.rehearsal ?? {}) as Rehearsal;
  expect(control, stderr).toMatchObject({ healthySeconds: expect.any(Number) });
  return { found, stderr };
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

    const slow = await tryAll(
      ...([stack, caller, await publish(byClock)] as const),
      // The start of the old version in the rollback has this time, too.
      ...["--health-timeout", "90s"],
    );
    expect(told(slow.found, byClock), slow.stderr).toEqual(asLive(byClock));

    const ending = failing.filter((one) => !byClock.includes(one));
    const references = await publish(ending);
    for (const one of good) references.push(await stack.publish(goodVersions[one]));
    const gate = ["--soak", "12s", "--health-timeout", "3m"];
    const rest = await tryAll(stack, caller, references, ...gate);
    const passing = good.map(() => ({ result: "passed", class: undefined }));
    expect(told(rest.found, ending), rest.stderr).toEqual([...asLive(ending), ...passing]);

    expect(await containersOf(stack)).toEqual(containers);
    expect(await clonesOf(stack)).toEqual([]);
    await expectAsBefore(stack, before, `${tier} as ${caller}`);
  },
);
