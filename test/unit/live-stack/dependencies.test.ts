import { describe, expect, it } from "vitest";
import type { ComposeModel } from "../../../src/model/stack.ts";
import {
  dependenciesOf,
  inStartOrder,
  joinersOf,
  needsOf,
  restartedWith,
} from "../../../src/operations/live-stack/depends-on.ts";

type Member = Parameters<typeof needsOf>[0][number];

const member = (service: string, more: Partial<Member> = {}): Member => ({
  ...{ id: `id-${service}`, name: `${service}-1`, service },
  ...more,
});
const label = (text: string) => ({ labels: { "com.docker.compose.depends_on": text } });

describe("what a container waits for", () => {
  const needs: readonly (readonly [string, readonly Member[], Record<string, unknown>])[] = [
    [
      "every replica of a service",
      [
        member("web", label("api:service_healthy:false")),
        member("api"),
        member("api", { name: "api-2", id: "id-api-2" }),
      ],
      {
        "web-1": [
          { on: "api-1", condition: "healthy" },
          { on: "api-2", condition: "healthy" },
        ],
      },
    ],
    [
      "the container whose namespace it joins, by id and by name",
      [member("a", { joins: ["id-vpn"] }), member("b", { joins: ["vpn-1"] }), member("vpn")],
      {
        "a-1": [{ on: "vpn-1", condition: "started" }],
        "b-1": [{ on: "vpn-1", condition: "started" }],
      },
    ],
    [
      "nobody for a dependency without a container",
      [member("a", label("gone:service_started:true"))],
      { "a-1": [] },
    ],
    [
      "no container that waits for it in turn",
      [
        member("a", label("b:service_healthy:false")),
        member("b", label("c:service_healthy:false")),
        member("c", label("a:service_healthy:false")),
      ],
      { "a-1": [{ on: "b-1", condition: "healthy" }], "c-1": [] },
    ],
    [
      "nobody for itself",
      [member("a", { ...label("a:service_started:false"), joins: ["id-a"] })],
      { "a-1": [] },
    ],
  ];

  it.each(needs)("is %s", (_title, members, expected) => {
    expect(Object.fromEntries(needsOf(members))).toMatchObject(expected);
  });

  it("is told by the files before the label", () => {
    const all = [member("web", label("api:service_started:false")), member("api"), member("db")];
    const model = {
      name: "x",
      services: {
        web: {
          depends_on: {
            db: { condition: "service_completed_successfully" },
            absent: { condition: "service_healthy" },
          },
        },
        db: {},
      },
    } as unknown as ComposeModel;
    const dependencies = dependenciesOf(model);
    expect(dependencies.web).toHaveLength(1);
    const needs = needsOf(all, dependencies);
    expect(needs.get("web-1")).toEqual([{ on: "db-1", condition: "completed" }]);
  });
});

describe("the order of a start", () => {
  it("has dependencies first, and else stays as it was", () => {
    const all = [
      member("a"),
      member("web", label("api:service_healthy:false,redis:service_started:false")),
      member("b"),
      member("redis"),
      member("api", label("db:service_started:true")),
      member("db"),
    ];
    const order = inStartOrder(all).map(({ service }) => service);
    expect(order).toEqual(["a", "db", "api", "redis", "web", "b"]);
  });
});

describe("who is changed together with a service", () => {
  it("is what joins its containers, at any remove", () => {
    const all = [
      member("vpn"),
      member("a", { joins: ["id-vpn"] }),
      member("b", { joins: ["id-a"] }),
      member("c", { joins: ["id-other"] }),
    ];
    expect(joinersOf(all, all.slice(0, 1)).map(({ service }) => service)).toEqual(["a", "b"]);
  });

  it("is what says restart: true, at any remove", () => {
    const need = (service: string, restart: boolean) => [
      { service, condition: "service_started", restart },
    ];
    const dependencies = { a: need("db", true), b: need("a", true), c: need("db", false) };
    expect([...restartedWith(["db"], dependencies)]).toEqual(["a", "b"]);
  });
});
