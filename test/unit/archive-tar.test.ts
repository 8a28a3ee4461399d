import { describe, expect, it } from "vitest";
import { packArguments, parseTarMessages, unpackArguments } from "../../src/archive/tar/gnu-tar.ts";

describe("tar's arguments", () => {
  it("leave out literal paths from the archive's root only", () => {
    const words = packArguments({
      directory: "/d",
      exclude: ["a*b/", "/c", "./d/e", "-f", "g\nh"],
    });
    expect(words.filter((word) => word.startsWith("--exclude"))).toEqual([
      "--exclude=./a*b",
      "--exclude=./c",
      "--exclude=./d/e",
      "--exclude=./-f",
      "--exclude=./g\nh",
    ]);
    expect(words.indexOf("--no-wildcards")).toBeLessThan(words.indexOf("--exclude=./a*b"));
    expect(words.slice(-2)).toEqual(["--directory=/d", "."]);
  });

  it.each(["", ".", "/", "..", "a/../../b"])("refuse %j as a path inside", (path) => {
    expect(() => packArguments({ directory: "/d", exclude: [path] })).toThrow(/not a path inside/);
    expect(() => unpackArguments("/d", [path])).toThrow(/not a path inside/);
  });

  it("refuse a token that would mean something in a pattern", () => {
    const overlay = { directory: "/o", token: "a.b", files: ["x"] };
    expect(() => packArguments({ directory: "/d", overlay })).toThrow(/plain word/);
  });
});

describe("tar's messages", () => {
  it("are sorted by what they mean for the archive", () => {
    const { warnings, unknown } = parseTarMessages([
      "tar: ./data/log: file changed as we read it",
      "tar: ./we\\:ird\\nname \\303\\274: file changed as we read it",
      "tar: ./gone: File removed before we read it",
      "tar: ./cut: File shrank by 4096 bytes; padding with zeros",
      "/usr/bin/tar: ./back\\\\slash: socket ignored",
      "tar: .: file changed as we read it",
      "tar: ./x: Cannot open: Permission denied",
      "tar: Exiting with failure status due to previous errors",
      "",
    ]);
    expect(warnings).toEqual({
      changed: ["data/log", "we:ird\nname ü", "."],
      shrank: ["cut"],
      vanished: ["gone"],
      skipped: ["back\\slash"],
    });
    expect(unknown).toEqual(["tar: ./x: Cannot open: Permission denied"]);
  });
});
