import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { ContainerState } from "../../../src/model/stack.ts";
import { differences } from "../../../src/operations/live-stack/differences.ts";
import { patientWaits, startContainers } from "../../../src/operations/live-stack/start.ts";
import { stopContainers, stopSeconds } from "../../../src/operations/live-stack/stop.ts";

type State = ContainerState["state"];

const warnings: string[] = [];
const reporter = { warning: (text: string) => void warnings.push(text) };

/** Containers in memory: what a start and a stop do to them, and in which order. */
class Engine {
  readonly all = new Map<string, ContainerState>();
  readonly events: string[] = [];
  #startedAt = 0;

  add(service: string, state: State, more: Partial<ContainerState> = {}): this {
    const made = {
      ...{ id: service, name: service, service, state, health: "none", labels: {}, exitCode: 0 },
      ...{ imageReference: "app:1", environment: {}, mounts: [], startedAt: this.#now() },
      ...more,
    };
    this.all.set(service, made as unknown as ContainerState);
    return this;
  }

  states(): string {
    return [...this.all.values()].map(({ name, state }) => `${name} ${state}`).join(", ");
  }

  readonly present = async () => [...this.all.values()];
  readonly inspect = async (id: string) => this.all.get(id);
  readonly start = async (id: string) => {
    if (this.all.get(id)?.state === "running") return;
    this.#set(id, "start", { state: "running", startedAt: this.#now() });
  };
  readonly stop = async (id: string) => this.#set(id, "stop", { state: "exited" });
  readonly pause = async (id: string) => this.#set(id, "pause", { state: "paused" });
  readonly unpause = async (id: string) => {
    if (this.all.get(id)?.state === "paused") this.#set(id, "unpause", { state: "running" });
  };
  readonly setRestartPolicy = async () => undefined;

  #now(): string {
    this.#startedAt += 1;
    return new Date(this.#startedAt * 1000).toISOString();
  }

  #set(id: string, what: string, change: Partial<ContainerState>): void {
    const found = this.all.get(id);
    if (found === undefined) throw new Error(`no ${id}`);
    this.all.set(id, { ...found, ...change });
    this.events.push(`${what} ${id}`);
  }
}

const waits = (engine: Engine) =>
  patientWaits({ containers: engine, clock: systemClock, reporter, timeoutMs: 20 });
const context = (engine: Engine) => ({
  ...{ containers: engine, present: engine.present, clock: systemClock },
});
const wanted = (name: string, state: "running" | "paused" = "running", healthy = true) => ({
  ...{ name, state, healthy },
});
const needs = (text: string) => ({ labels: { "com.docker.compose.depends_on": text } });

describe("starting what ran", () => {
  it("goes through a one-shot that is done to what that one waits for", async () => {
    const engine = new Engine()
      .add("app", "exited", needs("migrate:service_completed_successfully:false"))
      .add("migrate", "exited", needs("db:service_healthy:false"))
      .add("db", "exited");
    await startContainers([wanted("app"), wanted("db")], context(engine), waits(engine));
    expect(engine.events).toEqual(["start db", "start app"]);
  });

  it("does not end at a dependency that does not become healthy, or cannot be started", async () => {
    const engine = new Engine()
      .add("web", "exited", needs("api:service_healthy:false"))
      .add("api", "exited", { health: "unhealthy" });
    await startContainers([wanted("web"), wanted("api")], context(engine), waits(engine));
    expect(engine.events).toEqual(["start api", "start web"]);
    expect(warnings.at(-1)).toContain("api is not healthy yet");
    const broken = new Engine().add("web", "exited", needs("api:service_started:false"));
    broken.add("api", "exited");
    const start = broken.start;
    const failing = async (id: string) => {
      if (id === "api") throw new Error("port is taken");
      await start(id);
    };
    const containers = Object.assign(Object.create(broken), { start: failing });
    const done = startContainers(
      [wanted("web"), wanted("api")],
      { ...context(broken), containers },
      waits(broken),
    );
    await expect(done).rejects.toThrow("api could not be started: port is taken");
    expect(broken.states()).toBe("web running, api exited");
  });

  it("keeps the rest down where everything has to be good", async () => {
    const engine = new Engine()
      .add("web", "exited", needs("api:service_healthy:false"))
      .add("api", "exited");
    const strict = {
      ...{ isStrict: true, completed: async () => undefined },
      healthy: async () => {
        throw new Error("api: not healthy");
      },
    };
    const done = startContainers([wanted("web"), wanted("api")], context(engine), strict);
    await expect(done).rejects.toThrow("api: not healthy");
    expect(engine.states()).toBe("web exited, api running");
  });

  it("ends at the first failure, and waits no longer for what does not depend on it", async () => {
    const engine = new Engine()
      .add("web", "exited", needs("api:service_healthy:false"))
      .add("api", "exited")
      .add("tool", "exited", needs("db:service_healthy:false"))
      .add("db", "exited");
    const untilAborted = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    const strict = {
      isStrict: true,
      completed: async () => undefined,
      healthy: async (one: ContainerState, _: boolean, signal: AbortSignal) => {
        if (one.name === "api") throw new Error("api: not healthy");
        await untilAborted(signal);
      },
      well: async (_: ContainerState, signal: AbortSignal) => await untilAborted(signal),
    };
    const all = ["web", "api", "tool", "db"].map((name) => wanted(name));
    const done = startContainers(all, context(engine), strict);
    await expect(done).rejects.toThrow("api: not healthy");
    expect(engine.states()).toBe("web exited, api running, tool exited, db running");
  });

  it("waits in a rollback for what was healthy before, though only its start is asked for", async () => {
    const engine = new Engine()
      .add("app", "exited", needs("db:service_started:false,cache:service_started:false"))
      .add("db", "exited", { health: "starting" })
      .add("cache", "exited", { health: "starting" });
    const asked: string[] = [];
    const careful = {
      ...{ isStrict: false, awaitsStarted: true, completed: async () => undefined },
      healthy: async ({ name }: ContainerState) => {
        asked.push(`${name}, before app: ${engine.all.get("app")?.state === "exited"}`);
      },
    };
    const all = [wanted("app"), wanted("db"), wanted("cache", "running", false)];
    await startContainers(all, context(engine), careful);
    expect(asked).toEqual(["db, before app: true"]);
    expect(engine.states()).toBe("app running, db running, cache running");
  });

  it("restarts what joins a namespace, and pauses again what was paused", async () => {
    const engine = new Engine()
      .add("vpn", "exited")
      .add("net", "running", { joins: ["vpn"] })
      .add("cold", "paused", { joins: ["net"] })
      .add("off", "exited", { joins: ["vpn"] });
    await startContainers([wanted("vpn")], context(engine), waits(engine));
    expect(engine.states()).toBe("vpn running, net running, cold paused, off exited");
    expect(engine.events).toEqual([
      ...["start vpn", "stop net", "start net"],
      ...["unpause cold", "stop cold", "start cold", "pause cold"],
    ]);
    // Once more, as after a kill: nothing is cut off any longer.
    engine.events.length = 0;
    await startContainers([wanted("vpn")], context(engine), waits(engine));
    expect(engine.events).toEqual([]);
  });
});

describe("stopping", () => {
  it("is the reverse of the start, and thaws what is frozen", async () => {
    const engine = new Engine()
      .add("db", "running")
      .add("api", "paused", needs("db:service_started:false"))
      .add("web", "running", needs("api:service_healthy:false"));
    await stopContainers(engine, await engine.present());
    expect(engine.events).toEqual(["stop web", "unpause api", "stop api", "stop db"]);
  });

  it("gives each its own time, and a server of a store what it needs", () => {
    const seconds = (imageReference: string, stopTimeoutSeconds?: number) =>
      stopSeconds({
        ...{ imageReference, environment: {}, mounts: [] },
        ...(stopTimeoutSeconds === undefined ? {} : { stopTimeoutSeconds }),
      } as unknown as ContainerState);
    expect(seconds("app:1")).toBeUndefined();
    expect(seconds("app:1", 90)).toBeUndefined();
    expect(seconds("postgres:17")).toBe(120);
    expect(seconds("postgres:17", 5)).toBe(120);
    expect(seconds("postgres:17", 300)).toBe(300);
    expect(seconds("postgres:17", -1)).toBeUndefined();
  });
});

describe("whether a stack is as it was", () => {
  const before = { name: "a", service: "a", imageId: "1", state: "running", healthy: true };
  const now = (more: Partial<ContainerState>) =>
    [{ name: "a", imageId: "1", state: "running", health: "healthy", ...more }] as ContainerState[];

  it.each([
    [{}, now({}), []],
    [{}, [], ["a is missing"]],
    [{}, now({ imageId: "2" }), ["a has another image"]],
    [{ imageId: "" }, now({ imageId: "2" }), []],
    [{}, now({ state: "exited" }), ["a ended after it was started again"]],
    [{}, now({ health: "starting" }), ["a was healthy before and is not now"]],
    [{ healthy: false }, now({ health: "unhealthy" }), []],
    [{ state: "paused" }, now({}), ["a was paused before and is not now (running)"]],
    [{ state: "restarting", healthy: false }, now({ state: "exited" }), []],
    [{ state: "exited", healthy: false }, now({}), []],
    [{ mayEnd: true, healthy: false }, now({ state: "exited", exitCode: 0 }), []],
    [
      { mayEnd: true, healthy: false },
      now({ state: "exited", exitCode: 1 }),
      ["a ended after it was started again"],
    ],
  ])("%j", (old, found, expected) => {
    const told = differences([{ ...before, ...old }], found);
    expect(told.map(({ text }) => text)).toEqual(expected);
  });
});
