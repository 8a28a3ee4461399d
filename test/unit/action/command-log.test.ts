import { expect, it } from "vitest";
import { shownCommand } from "../../../src/action/command-log.ts";

const program = (name: string) => ({ what: "program", name, startMs: 1000, endMs: 2500 }) as const;
const project = "docker compose --ansi never --project-directory /srv/s -f /srv/s/compose.yml -p s";

it.each([
  `${project} up --no-build --pull never --detach web`,
  `${project} stop -t 10 web`,
  `${project} pull web`,
])("shows %s with its duration", (name) => {
  expect(shownCommand(program(name))).toBe(`[command]${name} (1.5 s)`);
});

it.each([
  `${project} config --format json`,
  `${project} ps --all`,
  "docker info",
  "tar --create --file=-",
])("does not show %s, which only looks or is not Compose", (name) => {
  expect(shownCommand(program(name))).toBeUndefined();
});

it("shows no phases", () => {
  expect(shownCommand({ ...program(`${project} up web`), what: "phase" })).toBeUndefined();
});
