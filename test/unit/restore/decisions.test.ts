import { describe, expect, it } from "vitest";
import { rollbackFailed } from "../../../src/commands/restore/failure.ts";
import { refuseOtherStack } from "../../../src/commands/restore/files.ts";
import type { restoreJournal } from "../../../src/commands/restore/journal.ts";
import { mountOf } from "../../../src/commands/restore/places.ts";
import { makingsOf } from "../../../src/commands/restore/stack.ts";
import type { BackedUpStore } from "../../../src/commands/scratch/stores.ts";
import type { Component, Manifest } from "../../../src/model/manifest.ts";
import type { ComposeModel, ContainerState, Mount } from "../../../src/model/stack.ts";
import type { JournalEntry } from "../../../src/upgrade/journal.ts";

const model: ComposeModel = {
  name: "sophon",
  services: {
    gateway: {
      image: "sophon:1.1.0",
      environment: { TOKEN: "secret" },
      depends_on: { postgres: { condition: "service_healthy" } },
      volumes: [{ type: "bind", source: "/srv/sophon/data", target: "/data" }],
    },
    postgres: {
      image: "postgres:17",
      volumes: [{ type: "volume", source: "pgdata", target: "/var/lib/postgresql/data" }],
    },
  },
  volumes: { pgdata: { name: "sophon_pgdata" } },
};

function mount(target: string, source: string, volume?: string): Mount {
  const base = { target, source, writable: true, anonymous: false, plain: true };
  return volume === undefined ? { type: "bind", ...base } : { type: "volume", volume, ...base };
}

function container(service: string, imageId: string, mounts: readonly Mount[]): ContainerState {
  return { service, imageId, mounts, name: `${service}-1`, id: service } as ContainerState;
}

function store(kind: BackedUpStore["kind"], service: string, source: string): BackedUpStore {
  return { name: kind, kind, service, components: [{ source, details: {} } as Component] };
}

const data = store("data", "gateway", "/srv/sophon/data");
const postgres = store("postgres", "postgres", "sophon");
const services = {
  gateway: { image: "sophon:1.1.0", imageId: "sha256:one" },
  postgres: { image: "postgres:17", imageId: "sha256:pg" },
} as unknown as Manifest["services"];

describe("where a store belongs", () => {
  it("is what its service has at the same path now, whatever that is called here", () => {
    const there = mount("/var/lib/postgresql/data", "/volumes/other_pgdata/_data", "other_pgdata");
    const here = mount("/data", "/srv/other/data");
    const containers = [container("gateway", "", [here]), container("postgres", "", [there])];
    expect(mountOf(postgres, model, containers)).toBe(there);
    expect(mountOf(data, model, containers)).toBe(here);
  });

  it("is refused where nothing has it", () => {
    expect(() => mountOf(data, model, [container("gateway", "", [])])).toThrow(
      /no container of the stack mounts/,
    );
  });
});

describe("what containers are made", () => {
  const options = { only: [], keepImages: false };
  const all = [data, postgres];
  const one = container("gateway", "sha256:two", []);

  it("are those that are missing, and those of another image", () => {
    const makings = makingsOf({ services }, { model, containers: [one] }, all, options);
    expect(makings).toEqual({ create: ["postgres"], replace: ["gateway"] });
  });

  it("leaves out what no chosen store concerns, and other images that are to stay", () => {
    const only = { ...options, only: ["postgres"] };
    expect(makingsOf({ services }, { model, containers: [one] }, [postgres], only)).toEqual({
      create: ["postgres"],
      replace: [],
    });
    const keep = { ...options, keepImages: true };
    expect(makingsOf({ services }, { model, containers: [one] }, all, keep).replace).toEqual([]);
  });
});

describe("files that are there already", () => {
  const now = (environment: Record<string, string>, image = "sophon:2"): ComposeModel => ({
    ...model,
    services: {
      ...model.services,
      gateway: { ...model.services.gateway, image, environment },
    },
  });
  const here = { moved: undefined, project: "sophon" };

  it("may name other images", () => {
    expect(() => refuseOtherStack(now({ TOKEN: "secret" }), model, here, ["/f"])).not.toThrow();
  });

  it("are refused for anything else, by the name of the member and never its value", () => {
    const refused = () => refuseOtherStack(now({ TOKEN: "changed" }), model, here, ["/srv/f"]);
    expect(refused).toThrow(
      "/srv/f: there already, and not as in the backup: gateway.environment.TOKEN",
    );
    expect(refused).not.toThrow(/secret|changed/);
  });

  it("are compared with the backup's as they are in another directory", () => {
    const moved = { from: "/srv/sophon", to: "/srv/other" };
    const there = JSON.parse(JSON.stringify(model).replaceAll("/srv/sophon", "/srv/other"));
    expect(() => refuseOtherStack(there, model, { ...here, moved }, [])).not.toThrow();
    expect(() => refuseOtherStack(model, model, { ...here, moved }, [])).toThrow(/volumes/);
  });
});

it("tells a person every path and the commands when putting back fails", () => {
  const entry: JournalEntry<typeof restoreJournal> = {
    seq: 1,
    time: "2026-01-02T03:04:05Z",
    operation: "restore",
    phase: "restore",
    step: "set-aside",
    data: { target: "/srv/data", stamp: "before-1", place: { mounts: [] } },
  };
  const error = rollbackFailed(new Error("no"), new Error("EIO"), "sophon", [entry]);
  expect(error.exitCode).toBe(7);
  expect(error.evidence).toContain("/srv/data.sophon-keeper-before-1");
  expect(error.evidence).toContain("docker compose -p sophon start");
  expect(error.hint).toContain("sophon-keeper recover --project-name sophon");
});
