import { expect, it } from "vitest";
import { diff } from "../../lab/compare.ts";

it("names what is lost, new and changed, and of JSON only the fields that differ", () => {
  const before = {
    files: { a: '{"mode":"0644","size":1}', gone: "x" },
    redis: { kept: "1" },
    "redis with TTL": { expired: "1", kept: "1" },
  };
  const after = {
    files: { a: '{"mode":"0600","size":1}' },
    redis: { kept: "1", more: "2" },
    "redis with TTL": { kept: "2" },
  };
  expect(diff(before, after)).toEqual([
    'files: a: mode "0644" -> "0600"',
    "files: gone: lost (was x)",
    "redis: more: new (2)",
    "redis with TTL: kept: 1 -> 2",
  ]);
  expect(diff(before, before)).toEqual([]);
  expect(diff(before, after, { ignore: [/^files: a:/, /redis/] })).toEqual([
    "files: gone: lost (was x)",
  ]);
});
