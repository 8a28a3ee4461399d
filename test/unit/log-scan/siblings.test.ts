import { expect, test } from "vitest";
import { scan } from "../../../src/log-scan/scan.ts";
import { broken, failing as failingTools, healthy as healthyTools } from "./siblings.ts";
import { failingHosted, healthyHosted } from "./siblings-hosted.ts";
import { starts } from "./starts.ts";

const of = (verdict: string) => starts.filter((start) => start.verdict === verdict);
const failing = [
  ...failingTools,
  ...failingHosted,
  ...of("failed").map((one) => broken(one.classes.join(","), one.about, one.text)),
];
const healthy = {
  ...healthyTools,
  ...healthyHosted,
  ...Object.fromEntries(of("clean").map(({ about, text }) => [about, text])),
};

const each = (change: (line: string, at: number) => string) => (text: string) =>
  text.trimEnd().split("\n").map(change).join("\n");
const clock = (at: number) => `09:00:${String(at % 60).padStart(2, "0")}`;
const ESC = "\u001b[";

/** What stands around every line on its way to a reader. */
const wrappers: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  crlf: each((line) => `${line}\r`),
  compose: each((line) => `app-1  | ${line}`),
  "compose in colour": each((line) => `${ESC}36mapp-1  | ${ESC}0m${line}`),
  "compose --timestamps": each((line, at) => `app-1  | 2026-03-02T${clock(at)}.123456789Z ${line}`),
  "docker logs --timestamps": each((line, at) => `2026-03-02T${clock(at)}.123456789Z ${line}`),
  "json-file": each((line, at) =>
    JSON.stringify({ log: `${line}\n`, stream: "stderr", time: `2026-03-02T${clock(at)}.1Z` }),
  ),
  containerd: each((line, at) => `2026-03-02T${clock(at)}.123456789Z stderr F ${line}`),
  "journald short": each((line, at) => `Mar 02 ${clock(at)} node-7 app[4711]: ${line}`),
  "journald short-precise": each(
    (line, at) => `Mar 02 ${clock(at)}.123456 node-7 app[4711]: ${line}`,
  ),
  "journald short-iso": each(
    (line, at) => `2026-03-02T${clock(at)}+0000 node-7 app[4711]: ${line}`,
  ),
  "journald json": each((line) =>
    JSON.stringify({
      _TRANSPORT: "stdout",
      SYSLOG_IDENTIFIER: "app",
      PRIORITY: "6",
      MESSAGE: line,
    }),
  ),
  "RFC 3164": each((line, at) => `<30>Mar  2 ${clock(at)} node-7 app[4711]: ${line}`),
  "RFC 5424": each(
    (line, at) =>
      `<30>1 2026-03-02T${clock(at)}.123456Z node-7 app 4711 - [meta seq="${at}" note="a \\] b"] ${line}`,
  ),
  "s6-log": each((line) => `@4000000069a5520a12345678 ${line}`),
  svlogd: each((line, at) => `2026-03-02_${clock(at)}.12345 ${line}`),
  kubectl: each((line) => `[pod/app-6b8f9c7d5-x2x9q/app] ${line}`),
  portainer: each((line) => `today at 4:51:46 PM${line}`),
};

interface Row {
  readonly wrapper: string;
  readonly failing: number;
  readonly found: number;
  readonly classed: number;
  readonly healthy: number;
  readonly falseAlarms: number;
}

const wrong: string[] = [];

function measure(wrapper: string, wrap: (text: string) => string): Row {
  let found = 0;
  let classed = 0;
  let falseAlarms = 0;
  const fitting = wrapper === "plain" ? failing : failing.filter(({ wrapped }) => !wrapped);
  for (const { about, classes, text } of fitting) {
    const { verdict, decisive } = scan(wrap(text), { doubted: true });
    if (verdict === "failed") found += 1;
    const isRight = decisive !== undefined && classes.includes(decisive.class);
    if (isRight) classed += 1;
    else wrong.push(`${about} in ${wrapper}: ${verdict} ${decisive?.rule} ${decisive?.class}`);
  }
  for (const [about, text] of Object.entries(healthy)) {
    const { verdict, decisive } = scan(wrap(text), { doubted: true });
    if (verdict === "failed") falseAlarms += 1;
    if (verdict !== "clean") wrong.push(`${about} in ${wrapper}: ${verdict} ${decisive?.rule}`);
  }
  const total = { failing: fitting.length, healthy: Object.keys(healthy).length };
  return { wrapper, ...total, found, classed, falseAlarms };
}

test("every log is judged alike in every wrapper", () => {
  const rows = Object.entries(wrappers).map(([name, wrap]) => measure(name, wrap));
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  const found = sum((row) => row.found);
  const falseAlarms = sum((row) => row.falseAlarms);
  console.table(rows);
  console.log(
    `recall ${found}/${sum((row) => row.failing)}, class ${sum((row) => row.classed)}/${found}, precision ${found}/${found + falseAlarms}`,
  );
  expect(wrong).toEqual([]);
});
