import { describe, expect, it } from "vitest";
import { type ChainMember, mayBeParent, nextBackup } from "../../../src/model/chain.ts";
import { decideRetention, withNeeded } from "../../../src/model/retention.ts";
import { numbers } from "./streams.ts";

/** Backups as runs make them one after the other, newest first. */
function chain(count: number): ChainMember[] {
  const made: ChainMember[] = [];
  for (let at = 0; at < count; at++) {
    const next = nextBackup(made);
    const own = { id: `b${at}`, problem: undefined };
    made.unshift(
      "full" in next
        ? { ...own, serial: 0, ancestors: [], bytes: 1000 }
        : {
            ...own,
            serial: next.serial,
            ancestors: [next.parent.id, ...next.parent.ancestors],
            bytes: 10,
          },
    );
  }
  return made;
}

const parentOf = (members: readonly ChainMember[]) => {
  const next = nextBackup(members);
  return "full" in next ? next.full : next.parent.id;
};

describe("the next backup", () => {
  it("is a full one first, then number n made from n & (n - 1), and a full one after thirty", () => {
    const members = chain(63).toReversed();
    expect(members.map(({ serial }) => serial)).toEqual([
      ...Array.from({ length: 31 }, (_, at) => at),
      ...Array.from({ length: 31 }, (_, at) => at),
      0,
    ]);
    expect(members[13]?.ancestors).toEqual(["b12", "b8", "b0"]);
    expect(Math.max(...members.map(({ ancestors }) => ancestors.length))).toBeLessThanOrEqual(4);
    const parents = new Set(members.flatMap(({ ancestors }) => ancestors.slice(0, 1)));
    for (const { id, serial } of members) {
      if (parents.has(id)) expect(mayBeParent(serial), id).toBe(true);
    }
  });

  it("is a full one if one that it would need is damaged or gone, or the last one was large", () => {
    const [newest, ...others] = chain(6);
    if (newest === undefined) throw new Error("there is none");
    expect(parentOf([newest, ...others])).toBe("b4");
    expect(parentOf([{ ...newest, bytes: 600 }, ...others])).toContain("larger than half of b0");
    const damaged = chain(6).map((one) => (one.id === "b4" ? { ...one, problem: "a flip" } : one));
    expect(parentOf(damaged)).toContain("b4 is damaged: a flip");
    expect(parentOf(chain(6).filter(({ id }) => id !== "b4"))).toContain("no longer there");
    // An odd one is nobody's parent.
    expect(
      parentOf(chain(6).map((one) => (one.id === "b5" ? { ...one, problem: "x" } : one))),
    ).toBe("b4");
    const deep = chain(13).map((one) => (one.id === "b8" ? { ...one, problem: "x" } : one));
    expect(parentOf(deep)).toContain("b8 is damaged");
  });
});

describe("retention", () => {
  it("keeps no backup that lacks an ancestor, whatever the rule and the history", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = numbers(seed);
      const times = chain(1 + random.below(70)).map(({ id, serial, ancestors }, at) => ({
        ...{ id, ancestors, isFull: serial === 0, wasRead: random.below(3) === 0 },
        mayBeNeeded: true,
        // The clock may go back.
        createdAt: new Date(Date.UTC(2026, 5, 1) - (at + random.below(3)) * 8e7),
        good: random.below(5) > 0,
        needed: random.below(20) === 0,
      }));
      const rule = () => (random.below(2) === 0 ? undefined : 1 + random.below(5));
      const policy = { last: rule(), daily: rule(), weekly: rule(), monthly: rule() };
      const decisions = decideRetention(times, policy, new Date(Date.UTC(2026, 5, 2)));
      const kept = new Set(decisions.filter(({ keep }) => keep).map(({ id }) => id));
      const needed = times.flatMap(({ id, ancestors }) => (kept.has(id) ? ancestors : []));
      expect(
        needed.filter((id) => !kept.has(id)),
        `seed ${seed}`,
      ).toEqual([]);
    }
  });

  it("keeps what a backup may need of which nothing is known, whatever the rule and the history", () => {
    let narrowed = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = numbers(seed);
      const members = chain(1 + random.below(70));
      const truth = members.flatMap(({ id, serial, ancestors }, at) => {
        const createdAt = new Date(Date.UTC(2026, 5, 1) - (at + random.below(3)) * 8e7);
        const own = { createdAt, good: random.below(5) > 0, needed: random.below(20) === 0 };
        const alone = { ...own, id: `alone-${at}`, ancestors: [], mayBeNeeded: false };
        const made = { ...own, id, ancestors, isFull: serial === 0, mayBeNeeded: true };
        return random.below(4) === 0 ? [made, alone] : [made];
      });
      // A manifest that cannot be read, of one that is damaged or of a newer version.
      const seen = truth.map((one) =>
        random.below(12) > 0
          ? one
          : {
              ...{ ...one, good: false, needed: random.below(2) === 0 },
              ...{ ancestors: undefined, isFull: false, mayBeNeeded: true },
            },
      );
      const rule = () => (random.below(2) === 0 ? undefined : 1 + random.below(5));
      const policy = { last: rule(), daily: rule(), weekly: rule(), monthly: rule() };
      const decisions = decideRetention(seen, policy, new Date(Date.UTC(2026, 5, 2)));
      const kept = decisions.filter(({ keep }) => keep).map(({ id }) => id);
      expect(new Set(kept), `seed ${seed}`).toEqual(new Set(withNeeded(kept, truth)));
      const isDark = seen.some(({ id, ancestors }) => ancestors === undefined && kept.includes(id));
      // One that others cannot be made from is judged by the rules alone.
      if (isDark) {
        const gone = decisions.filter(({ id, keep }) => !keep && !id.startsWith("alone"));
        expect(gone, `seed ${seed}`).toEqual([]);
        narrowed += decisions.filter(({ keep }) => !keep).length;
      }
    }
    expect(narrowed).toBeGreaterThan(0);
  });

  it("says which backup needs another, and keeps the previous full one until the new one is proven", () => {
    const backup = (id: string, day: number, more: object) => ({
      ...{ id, createdAt: new Date(Date.UTC(2026, 0, day)), good: true, needed: false },
      ...{ ancestors: [] as string[], mayBeNeeded: true, ...more },
    });
    const old = [
      backup("f1", 1, { isFull: true }),
      backup("c1", 2, { ancestors: ["f1"], wasRead: true }),
    ];
    const made = [
      ...old,
      backup("f2", 3, { isFull: true }),
      backup("c2", 4, { ancestors: ["f2"] }),
    ];
    const reasons = (list: typeof made) =>
      Object.fromEntries(
        decideRetention(
          list,
          { last: 1, daily: undefined, weekly: undefined, monthly: undefined },
          new Date(Date.UTC(2026, 0, 5)),
        )
          .filter(({ keep }) => keep)
          .map(({ id, reason }) => [id, reason]),
      );
    expect(reasons(made)).toEqual({
      ...{ c2: "last", f2: "needed by c2" },
      f1: "no backup made from f2 was read with an identity yet",
    });
    const proven = made.map((one) => (one.id === "c2" ? { ...one, wasRead: true } : one));
    expect(reasons(proven)).toEqual({ c2: "last", f2: "needed by c2" });
  });
});
