import { expect, test } from "vitest";
import { decideRetention, type RetentionCandidate } from "../../src/model/retention.ts";

const now = new Date("2026-03-31T12:00:00Z");
const none = { last: undefined, daily: undefined, weekly: undefined, monthly: undefined };

function backup(stamp: string, over: Partial<RetentionCandidate> = {}): RetentionCandidate {
  const alone = { ancestors: [], mayBeNeeded: false };
  return { id: stamp, createdAt: new Date(stamp), good: true, needed: false, ...alone, ...over };
}

function kept(backups: RetentionCandidate[], policy: object, at = now): string[] {
  return decideRetention(backups, { ...none, ...policy }, at)
    .filter(({ keep }) => keep)
    .map(({ id }) => id);
}

const daily = Array.from({ length: 60 }, (_, index) =>
  backup(new Date(now.getTime() - index * 86_400_000).toISOString()),
);

test("without a rule everything is kept", () => {
  expect(kept(daily, {})).toHaveLength(60);
});

test("keep-last counts the newest good ones only", () => {
  const bad = backup("2026-03-31T11:59:59Z", { good: false });
  const result = kept([bad, ...daily], { last: 2 });
  expect(result.filter((id) => id !== bad.id)).toEqual([daily[0]?.id, daily[1]?.id]);
  expect(result).toContain(bad.id);
});

test("damaged backups never evict good ones", () => {
  const bad = Array.from({ length: 30 }, (_, index) =>
    backup(`2026-03-31T11:${String(index).padStart(2, "0")}:00Z`, { good: false }),
  );
  const good = [backup("2026-03-01T00:00:00Z"), backup("2026-02-28T00:00:00Z")];
  const result = kept([...bad, ...good], { last: 2 });
  expect(result).toEqual(expect.arrayContaining(good.map(({ id }) => id)));
});

test("an old damaged one goes once enough good ones are newer", () => {
  const bad = backup("2026-01-01T00:00:00Z", { good: false });
  expect(kept([...daily.slice(0, 3), bad], { last: 3 })).not.toContain(bad.id);
  expect(kept([bad], { last: 3 })).toContain(bad.id);
});

test("the last good one stays, whatever the rules", () => {
  expect(kept([backup("2025-01-01T00:00:00Z")], { last: 0 })).toHaveLength(1);
});

test("days, weeks and months are those that have backups", () => {
  expect(kept(daily, { daily: 7 })).toHaveLength(7);
  expect(kept(daily, { weekly: 4 })).toHaveLength(4);
  expect(kept(daily, { monthly: 12 })).toHaveLength(3);
  const sparse = [backup("2026-03-31T00:00:00Z"), backup("2025-01-01T00:00:00Z")];
  expect(kept(sparse, { daily: 2 })).toHaveLength(2);
});

test("a week begins on Monday: Sunday belongs to the one before", () => {
  const three = ["2026-03-30", "2026-03-29", "2026-03-23"].map((one) => backup(`${one}T12:00:00Z`));
  expect(kept(three, { weekly: 2 })).toEqual([three[0]?.id, three[1]?.id]);
});

test("of one day the newest is the daily one", () => {
  const two = [backup("2026-03-30T01:00:00Z"), backup("2026-03-30T23:00:00Z")];
  expect(kept(two, { daily: 1 })).toEqual(["2026-03-30T23:00:00Z"]);
});

test("a clock that jumped evicts nothing", () => {
  const future = backup("2031-01-01T00:00:00Z");
  expect(kept([future, ...daily], { last: 2 })).toEqual([future.id, daily[0]?.id, daily[1]?.id]);
  expect(kept(daily, { last: 2, daily: 2 }, new Date("2039-01-01T00:00:00Z"))).toHaveLength(2);
});

test("what an unfinished operation needs stays", () => {
  const needed = backup("2020-01-01T00:00:00Z", { needed: true });
  expect(kept([...daily, needed], { last: 1 })).toContain(needed.id);
});
