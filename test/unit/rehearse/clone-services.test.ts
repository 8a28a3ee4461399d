import { describe, expect, it } from "vitest";
import type { ContainerState } from "../../../src/model/stack.ts";
import { CloneServices } from "../../../src/operations/rehearse/clone-services.ts";
import { FirstAnswers } from "../../../src/operations/rehearse/first-answers.ts";
import { sinceStart } from "../../../src/operations/rehearse/since-start.ts";

const clock = {
  now: () => new Date(0),
  monotonicMs: () => 0,
  sleep: async () => undefined,
};
const signal = new AbortController().signal;

type Trial = ConstructorParameters<typeof CloneServices>[1];

/** What a clone of a gateway, its dashboard, PostgreSQL and a data directory is told to stop, in order. */
async function stopped(
  trial: Pick<Trial, "images" | "model">,
  state: ContainerState["state"] = "running",
): Promise<string[]> {
  const told: string[] = [];
  const clone = {
    services: ["gateway", "dashboard", "db"],
    start: async () => undefined,
    stop: async (_signal: AbortSignal, services?: readonly string[]) =>
      void told.push(services?.join(" ") ?? "all"),
    containers: async () =>
      ["gateway", "dashboard", "db"].map((service) => ({ service, state }) as ContainerState),
  };
  const store = { service: "db", name: "db", components: [] };
  const stores: Trial["stores"] = [
    { ...store, kind: "postgres" },
    { ...store, kind: "data", name: "data", service: undefined },
  ];
  await new CloneServices(clone, { stores, ...trial }, { clock, signal }).stopReplaced();
  return told;
}

describe("before an exchange of images a clone stops", () => {
  const services = {};
  it.each<[string, Pick<Trial, "images" | "model">, string[]]>([
    [
      "all but the store servers, which a live upgrade leaves alone",
      { images: { gateway: "sha256:1" }, model: undefined },
      ["gateway dashboard"],
    ],
    [
      "a store server whose own image changes, after those that use it",
      { images: { db: "sha256:1" }, model: undefined },
      ["gateway dashboard", "db"],
    ],
    [
      "everything for another definition",
      { images: {}, model: { name: "app", services } },
      ["all"],
    ],
  ])("%s", async (_title, trial, expected) => {
    expect(await stopped(trial)).toEqual(expected);
  });

  it("nothing that does not run", async () => {
    const trial = { images: { db: "sha256:1" }, model: undefined };
    expect(await stopped(trial, "exited")).toEqual([]);
  });
});

it("waits for the health checks of the store servers alone", async () => {
  let looks = 0;
  const container = (service: string, health: ContainerState["health"]) =>
    ({ service, health }) as ContainerState;
  const clone = {
    services: ["gateway", "db"],
    start: async () => undefined,
    stop: async () => undefined,
    containers: async () => {
      looks += 1;
      const db = container("db", looks < 3 ? "starting" : "healthy");
      return [db, container("gateway", "starting")];
    },
  };
  const stores = [{ kind: "postgres", service: "db", name: "db", components: [] }];
  const trial = { stores, images: {}, model: undefined };
  await new CloneServices(clone, trial, { clock, signal }).serversHealthy();
  expect(looks).toBe(3);
});

describe("a start is judged", () => {
  const seen = { imageId: "", health: "none", exitCode: 0, restartCount: 0 } as const;
  const base = { ...seen, service: "a", name: "a", id: "1", ends: "never", isNew: true } as const;

  it.each([
    ["as new where it was stopped and runs again", "exited", "1", "running", "2", "running", true],
    ["not yet where it waits for its start", "exited", "1", "exited", "1", "created", true],
    ["not by its log where it ran before", "running", "1", "running", "1", "running", false],
    ["as an end where it ran before and ends", "running", "1", "exited", "1", "exited", false],
    ["as new where it was replaced", "running", "1", "running", "2", "running", true],
  ] as const)("%s", async (_title, was, wasAt, state, startedAt, told, isNew) => {
    const target = {
      containers: async () => [{ ...base, state, startedAt }],
      probe: async () => undefined,
      log: async () => "text",
      schema: async () => undefined,
    };
    const earlier = new Map([["1", { state: was, startedAt: wasAt, said: "" }]]);
    const judged = sinceStart(target, earlier);
    const [one] = await judged.containers();
    expect(one).toMatchObject({ state: told, isNew });
    // The log of an earlier start tells nothing.
    expect(await judged.log(base)).toBe(told === "created" ? undefined : "text");
  });
});

it.each([
  ["what a start logs", "crash\n", "crash\nstarted\n", "started\n"],
  ["nothing before it logs, although an earlier start failed", "crash\n", "crash\n", ""],
  ["all of a log that was rotated meanwhile", "crash\n", "started\n", "started\n"],
])("judges %s", async (_title, said, text, judged) => {
  const target = {
    containers: async () => [],
    probe: async () => undefined,
    log: async () => text,
    schema: async () => undefined,
  };
  const earlier = new Map([["1", { state: "exited", startedAt: "1", said }]] as const);
  expect(await sinceStart(target, earlier).log({ id: "1", name: "a" })).toBe(judged);
  expect(await sinceStart(target, earlier).log({ id: "2", name: "a" })).toBe(text);
});

it("tells since when all probed servers have answered", () => {
  let nowMs = 1_000;
  const answers = new FirstAnswers({ monotonicMs: () => nowMs });
  expect(answers.seconds).toBeUndefined();
  const looks: [number, Record<string, boolean>, number | undefined][] = [
    [2_000, { gateway: false, api: true }, undefined],
    [3_000, { gateway: true, api: true }, 2],
    [4_000, { gateway: true, api: false }, undefined],
    [6_000, { gateway: true, api: true }, 5],
    [9_000, { gateway: true, api: true }, 5],
  ];
  for (const [atMs, seen, expected] of looks) {
    nowMs = atMs;
    for (const [name, isWell] of Object.entries(seen)) answers.note(name, isWell);
    expect(answers.seconds, String(atMs)).toBe(expected);
  }
});
