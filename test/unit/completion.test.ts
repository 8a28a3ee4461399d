import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const script = join(root, "completions/sophon-keeper.bash");

/** What bash offers after these words; the last one is the one under the cursor. */
function offered(words: readonly string[], cwd = root): string[] {
  const body = `source "$0"; COMP_WORDS=(sophon-keeper "$@"); COMP_CWORD=$#; _sophon_keeper; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const said = execFileSync("bash", ["-c", body, script, ...words], { cwd, encoding: "utf8" });
  return said.split("\n").filter((line) => line !== "");
}

it.each([
  [["ver"], ["verify"]],
  [["verify", "--lev"], ["--level"]],
  [
    ["verify", "--level", "c"],
    ["checksum", "contents"],
  ],
  [["verify", "--level", "=", "re"], ["restore"]],
  [["--json", "verify", "--soa"], []],
  [
    ["backup", "--upload", ""],
    ["none", "s3", "rclone"],
  ],
  [["backup", "--keep-daily", ""], []],
])("bash completes %j", (words, wanted) => {
  expect(offered(words)).toEqual(wanted);
});

it("bash completes a path, also after the @ of a file, with a space in it", () => {
  const folder = mkdtempSync(join(tmpdir(), "sophon-keeper-completion-"));
  writeFileSync(join(folder, "my key"), "");
  expect(offered(["restore", "--identity", "m"], folder)).toEqual(["my key"]);
  expect(offered(["backup", "--passphrase", "@m"], folder)).toEqual(["@my key"]);
});

it("the manual has every command and flag of the help, and lets troff read no word as a request", () => {
  const page = readFileSync(join(root, "man/sophon-keeper.1"), "utf8");
  for (const text of ["upgrade\\-test", "\\-\\-keep\\-daily", "SOPHON_KEEPER_PASSPHRASE"]) {
    expect(page).toContain(text);
  }
  const known = /^\.(\\"|TH|SH|TP|B|BR|br)( |$)/;
  expect(page.split("\n").filter((line) => /^['.]/.test(line) && !known.test(line))).toEqual([]);
});
