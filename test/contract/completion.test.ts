// @module-tag exhaustive
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { hasCommand } from "../lab/run.ts";
import { installPackages } from "../lab/tools.ts";

// The completions and the manual as the real shells and the real troff read them.

const root = join(import.meta.dirname, "../..");

beforeAll(async () => {
  const missing = [];
  for (const name of ["zsh", "fish", "groff"]) if (!(await hasCommand(name))) missing.push(name);
  await installPackages(missing);
});

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

it("fish offers commands, flags and values", () => {
  const offers = (line: string) =>
    run("fish", "--no-config", "-c", `source completions/sophon-keeper.fish; complete -C '${line}'`)
      .split("\n")
      .map((offer) => offer.split("\t")[0] ?? "");
  expect(offers("sophon-keeper re")).toEqual(expect.arrayContaining(["restore", "recover"]));
  expect(offers("sophon-keeper verify --lev")).toContain("--level");
  expect(offers("sophon-keeper verify --level c")).toEqual(
    expect.arrayContaining(["checksum", "contents"]),
  );
  expect(offers("sophon-keeper list --soa")).not.toContain("--soak");
});

it("zsh loads its function, and offers commands", () => {
  // A terminal inside of zsh, in which a person presses Tab.
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1=; fpath=(${join(root, "completions")} $fpath); autoload -U compinit; compinit -u -D; echo "rea""dy"'
    zpty -r shell seen '*ready*'
    zpty -w -n shell $'sophon-keeper doc\\t'
    zpty -r shell seen '*doctor*' && print -r -- "found"
    zpty -d shell`;
  run("zsh", "-n", "completions/_sophon-keeper");
  expect(run("timeout", "30", "zsh", "-f", "-c", script)).toContain("found");
});

it("troff has nothing to complain of", () => {
  const said = execFileSync("bash", [
    "-c",
    `groff -man -ww -Tutf8 ${join(root, "man/sophon-keeper.1")} 2>&1 >/dev/null`,
  ]);
  expect(said.toString()).toBe("");
});
