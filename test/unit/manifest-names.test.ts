import { expect, it } from "vitest";
import { formatManifest, parseManifest } from "../../src/model/manifest.ts";
import { manifestOf } from "../contract/verify/backup.ts";

const times = { startedAt: "2026-01-02T03:04:05.000Z", endedAt: "2026-01-02T03:04:05.000Z" };

/** A manifest whose only component has these details, or this as the name of its only file. */
function withFile(file: unknown): string {
  return withDetails({ file });
}

function withDetails(details: object): string {
  const component = {
    ...{ name: "volume-conf", store: "volume", method: "tar", ...times },
    ...{ file: "volume-conf.tar.zst", bytes: 1, sha256: "0".repeat(64), plainBytes: 1 },
    ...{ compression: "zstd" as const, encryption: "none" as const, source: "/srv/conf" },
    ...{ counts: {}, details: {}, warnings: [], recovery: "tar" },
  };
  const text = formatManifest(manifestOf("sophon-20260102T030405Z-00aa", [component]));
  return text.replace('"details": {}', `"details": ${JSON.stringify(details)}`);
}

it.each(["app.conf", ".env", "...", "..conf", "ü b\n", " "])("takes the file name %j", (file) => {
  expect(parseManifest(withFile(file)).components[0]?.details.file).toBe(file);
});

it.each([
  "../../../etc/shadow",
  "/etc/shadow",
  "a/b",
  "..",
  ".",
  "",
  "a\0",
  5,
  ["a"],
  { a: 1 },
  false,
])("refuses the file name %j, which becomes a part of a path", (file) => {
  expect(() => parseManifest(withFile(file))).toThrow("a name that leads elsewhere");
});

it.each(["data/sophon.db", "..data/x.db", "a/...", "-x", "ü b\n"])(
  "takes the database %j",
  (path) => {
    expect(() => parseManifest(withDetails({ databases: { [path]: {} } }))).not.toThrow();
  },
);

it.each(["../x.db", "a/../../x.db", "a/..", "/etc/x.db", "a\0"])(
  "refuses the database %j, which becomes a part of a path",
  (path) => {
    const details = { databases: { "data/sophon.db": {}, [path]: {} } };
    expect(() => parseManifest(withDetails(details))).toThrow("leads elsewhere");
  },
);

it("takes the names of a server's databases, and refuses more files than anybody could open", () => {
  expect(() => parseManifest(withDetails({ databases: ["../x", "/"] }))).not.toThrow();
  const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`d${at}`, {}]));
  expect(() => parseManifest(withDetails({ databases: many }))).toThrow("too many");
});
