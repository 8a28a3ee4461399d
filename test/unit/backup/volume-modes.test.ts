import { describe, expect, it } from "vitest";
import type { ComposeModel, Mount, Stack, VolumeStore } from "../../../src/model/stack.ts";
import { volumeModes } from "../../../src/operations/backup/volume-modes.ts";
import { parseOptions } from "../../../src/options/parse.ts";

const places = { workingDirectory: "/work", home: "/home/me" };
const modesOf = (text: string) =>
  parseOptions("backup", { "volume-consistency": text }, places).volumeConsistency;

function volume(name: string, mount: Partial<Mount>): VolumeStore {
  return { kind: "volume", name, mount: mount as Mount, services: [], databases: [] };
}

const stack = {
  stores: [
    volume("volume-dbdata", {
      volume: "p_dbdata",
      source: "/var/lib/docker/volumes/p_dbdata/_data",
    }),
    volume("volume-files", { source: "/srv/files" }),
  ],
  model: { name: "p", services: {}, volumes: { dbdata: { name: "p_dbdata" } } } as ComposeModel,
  excluded: [],
} as unknown as Stack;

describe("volume-consistency", () => {
  it.each([
    ["", { "*": "freeze" }],
    ["stop", { "*": "stop" }],
    ["dbdata=stop", { dbdata: "stop" }],
    ["live, dbdata=stop\n/srv/a=b=freeze", { "*": "live", dbdata: "stop", "/srv/a=b": "freeze" }],
  ])("%j is %j", (text, modes) => {
    expect(modesOf(text)).toEqual(modes);
  });

  it.each(["dbdata=cold", "pause", "=stop", "stop,live", "a=stop,a=live", "dbdata="])(
    "refuses %j",
    (text) => {
      expect(() => modesOf(text)).toThrow(/^volume-consistency /);
    },
  );

  it.each([
    ["", "freeze", "freeze"],
    ["live", "live", "live"],
    ["dbdata=stop", "stop", "freeze"],
    ["p_dbdata=stop", "stop", "freeze"],
    ["volume-dbdata=live,/srv/files=stop", "live", "stop"],
  ])("%j holds for each volume by any of its names", (text, dbdata, files) => {
    const options = { volumeConsistency: modesOf(text), consistency: "live" } as const;
    expect(volumeModes(stack, options)).toEqual({ "volume-dbdata": dbdata, "volume-files": files });
  });

  it("stops everything in a stopped backup, and refuses a name that is none", () => {
    const stopped = { volumeConsistency: modesOf("live"), consistency: "stopped" } as const;
    expect(volumeModes(stack, stopped)).toEqual({
      "volume-dbdata": "stop",
      "volume-files": "stop",
    });
    const options = { volumeConsistency: modesOf("data=stop"), consistency: "live" } as const;
    expect(() => volumeModes(stack, options)).toThrow("there is no volume data");
  });
});
