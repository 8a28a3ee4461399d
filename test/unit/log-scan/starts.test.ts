import { expect, test } from "vitest";
import { scan } from "../../../src/log-scan/scan.ts";
import { starts } from "./starts.ts";

test.each(starts)("$about is $verdict", ({ verdict, classes, evidence, text }) => {
  const found = scan(text, { doubted: true });
  expect(found.verdict).toBe(verdict);
  if (verdict !== "failed") return;
  expect(classes).toContain(found.decisive?.class);
  expect(found.decisive?.evidence).toContain(evidence);
});

test.each(starts)("$about with a byte order mark and line ends of Windows is $verdict", (start) => {
  const text = `\ufeff${start.text.replaceAll("\n", "\r\n")}`;
  expect(scan(text, { doubted: true }).verdict).toBe(start.verdict);
});
