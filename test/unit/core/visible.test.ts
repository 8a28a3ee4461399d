import { expect, test } from "vitest";
import {
  visibleJson,
  visibleLine,
  visibleText,
  withoutCommands,
} from "../../../src/core/visible.ts";

test.each([
  ["a\nb", "a\\nb"],
  ["a\r::stop-commands::x", "a\\r::stop-commands::x"],
  ["\u001b[2Jgone", "\\x1b[2Jgone"],
  ["\u009b31m", "\\x9b31m"],
  ["\u0000", "\\x00"],
  ["safe\u202egpj.exe", "safe\\u202egpj.exe"],
  ["safe\u061cgpj.exe", "safe\\u61cgpj.exe"],
  ["two\u2028lines", "two\\u2028lines"],
  ["Grüße, 日本 🙂", "Grüße, 日本 🙂"],
])("%j is shown as one line: %s", (text, shown) => {
  expect(visibleLine(text)).toBe(shown);
});

test("an object has no such letter in its JSON, and means the same", () => {
  const value = {
    text: "\u009b2J \u202egpj.exe\u202c \u2028::error::x\u0000\u001b\n\t",
    list: ["\ufeff", 1],
  };
  const json = visibleJson(value);
  expect(json).toMatch(/^[ -~]*$/);
  expect(JSON.parse(json)).toEqual(value);
});

test("a text of several lines keeps its lines and tabs", () => {
  expect(visibleText("one\n\ttwo\r\nthree\u0007")).toBe("one\n\ttwo\\r\nthree\\x07");
});

test.each([
  "::add-mask::secret",
  "  ::stop-commands::x",
  "\t::save-state name=ended::true",
  "text\n::set-output name=result::verified",
  "##[add-mask]x",
  "a ##[error]b",
  ":::error::x",
])("no line of %j is a command for the runner", (text) => {
  const harmless = withoutCommands(text);
  for (const line of harmless.split("\n")) {
    expect(line.trimStart().startsWith("::")).toBe(false);
    expect(line).not.toContain("##[");
  }
  expect(harmless.replaceAll("\\", "")).toBe(text);
});
