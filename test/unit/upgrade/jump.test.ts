import { describe, expect, it } from "vitest";
import { type Jump, refuseJump } from "../../../src/operations/upgrade/version-rules.ts";

const of = (kind: Jump["kind"], from?: string, to?: string): Jump => {
  return { kind, service: "store", from, to };
};

describe("a jump of a store's version", () => {
  it.each([
    ["postgres", "17", "17.6"],
    ["postgres", "9.6", "9.6.24"],
    ["qdrant", "1.17.1", "v1.17.4"],
    ["qdrant", "v1.16.0", "1.17.0"],
    ["rabbitmq", "4.0.5", "4.0.9"],
    ["rabbitmq", "3.13.7", "4.2.0"],
    ["rabbitmq", "4.2.1", "4.3.0"],
    ["rabbitmq", "4.3.0", "4.4.0"],
    ["redis", "7.0", "8.0"],
  ] as const)("is taken: %s %s to %s", (kind, from, to) => {
    expect(refuseJump(of(kind, from, to))).toBeUndefined();
  });

  it.each([
    ["postgres", "15", "17", "postgres-major"],
    ["postgres", "17", "15.13", "postgres-major"],
    ["postgres", "9.5", "9.6", "postgres-major"],
    ["qdrant", "1.15.0", "1.17.0", "qdrant-version"],
    ["qdrant", "1.17.0", "1.16.3", "qdrant-version"],
    ["qdrant", "1.17.0", "2.0.0", "qdrant-version"],
    ["rabbitmq", "4.1.0", "4.3.0", "rabbitmq-version"],
    ["rabbitmq", "3.12.0", "4.0.0", "rabbitmq-version"],
    ["rabbitmq", "4.1.0", "4.0.9", "rabbitmq-version"],
    ["rabbitmq", "4.3.0", "5.0.0", "rabbitmq-version"],
    ["postgres", "17", undefined, "unknown-version"],
    ["rabbitmq", undefined, "4.0", "unknown-version"],
  ] as const)("is refused: %s %s to %s", (kind, from, to, name) => {
    const refusal = refuseJump(of(kind, from, to));
    expect(refusal).toMatchObject({ class: name, message: expect.stringContaining("store") });
    expect(refusal?.message).not.toContain("\n");
  });

  it("names the version to go over", () => {
    expect(refuseJump(of("rabbitmq", "4.1.0", "4.3.0"))?.hint).toContain("4.2");
    expect(refuseJump(of("qdrant", "1.15.0", "1.17.0"))?.hint).toContain("1.16");
  });

  it("wants RabbitMQ's feature flags enabled, and no Khepri in a RabbitMQ 3", () => {
    const flag = (name: string, state: string, stability = "stable") => ({
      ...{ name, state, stability },
    });
    const jump = (from: string, ...flags: NonNullable<Jump["flags"]>) =>
      refuseJump({ ...of("rabbitmq", from, "4.2.0"), flags })?.message;
    expect(jump("4.1.0", flag("quorum_queue", "enabled"))).toBeUndefined();
    expect(jump("4.1.0", flag("khepri_db", "disabled", "experimental"))).toBeUndefined();
    expect(jump("4.1.0", flag("message_containers", "disabled"))).toContain("message_containers");
    expect(jump("3.13.0", flag("khepri_db", "enabled", "experimental"))).toContain("Khepri");
    const same = { ...of("rabbitmq", "4.1.0", "4.1.2"), flags: [flag("x", "disabled")] };
    expect(refuseJump(same)).toBeUndefined();
  });
});
