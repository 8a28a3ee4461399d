import { expect, test } from "vitest";
import { scan } from "../../../src/log-scan/scan.ts";
import { loggers, viewers } from "./render.ts";
import { type Scenario, scenarios } from "./scenarios.ts";

const SHOWN_BY_ALL = new Set(["plain", "compose"]);
const SEEN_BY_ALL = new Set(["default-console-ansi", "serilog-text", "json-console"]);
/** Every logger as it is and through Compose; every viewer of the loggers that differ most. */
const formats = Object.entries(loggers).flatMap(([logger, write]) =>
  Object.entries(viewers)
    .filter(([viewer]) => SHOWN_BY_ALL.has(viewer) || SEEN_BY_ALL.has(logger))
    .map(([viewer, show]) => ({
      name: `${logger} through ${viewer}`,
      render: (scenario: Scenario) => show(write(scenario.said)),
    })),
);

function judged(scenario: Scenario, withState: boolean): string[] {
  const wanted = scenario.fails ?? "clean";
  return formats.flatMap(({ name, render }) => {
    const options = withState && scenario.state !== undefined ? { state: scenario.state } : {};
    const { verdict, decisive } = scan(render(scenario), options);
    const found = verdict === "failed" ? decisive?.class : verdict;
    return found === wanted ? [] : [`${name}: ${found} (${decisive?.rule})`];
  });
}

test.each(scenarios)("$about is judged alike in every format, with the state", (scenario) => {
  expect(judged(scenario, true)).toEqual([]);
});

const told = scenarios.filter(({ needsState }) => needsState === undefined);

test.each(told)("$about is judged alike in every format, by the log alone", (scenario) => {
  expect(judged(scenario, false)).toEqual([]);
});
