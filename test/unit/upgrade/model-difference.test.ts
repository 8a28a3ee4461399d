import { describe, expect, it } from "vitest";
import {
  containerDifferences,
  serviceDifferences,
  withoutSecrets,
} from "../../../src/operations/upgrade/model-difference.ts";

const app = { image: "app:1", environment: { LEVEL: "info" }, ports: [{ target: 80 }] };

describe("the difference of two definitions", () => {
  it("leaves the image out", () => {
    expect(serviceDifferences(app, { ...app, image: "app:2" })).toEqual([]);
  });

  it("names path, before and after", () => {
    const after = { ...app, environment: { LEVEL: "debug", NEW: "1" }, ports: [{ target: 81 }] };
    expect(serviceDifferences(app, after)).toEqual([
      'environment.LEVEL: "info" -> "debug"',
      'environment.NEW: nothing -> "1"',
      'ports: [{"target":80}] -> [{"target":81}]',
    ]);
  });

  it("shows that a secret changed, and not what it is", () => {
    const model = (secret: string) => ({ name: "p", services: { a: { command: `-p ${secret}` } } });
    const [old, now] = [withoutSecrets(model("hunter2"), ["hunter2"]), model("hunter3")];
    const [line = ""] = serviceDifferences(
      old.services.a,
      withoutSecrets(now, ["hunter3"]).services.a,
    );
    expect(line).toMatch(/^command: "-p \*\*\*\w{8}" -> "-p \*\*\*\w{8}"$/);
    expect(new Set(line.match(/\*\*\*\w{8}/g)).size).toBe(2);
  });

  it("is found at a running container, too, without values of its environment", () => {
    const container = {
      environment: { LEVEL: "info", PATH: "/bin" },
      mounts: [],
      ...{ restartPolicy: "always", hostname: "a" },
    };
    const changed = {
      ...{ ...app, environment: { LEVEL: "secret" }, restart: "no" },
      volumes: [{ type: "volume", target: "/data" }],
    };
    expect(containerDifferences(app, container)).toEqual([]);
    expect(containerDifferences(changed, container)).toEqual([
      "environment.LEVEL",
      "volumes: /data is new",
      "restart: always -> no",
    ]);
  });
});
