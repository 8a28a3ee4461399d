import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import { sourceOf } from "../../../src/stores/reader.ts";
import { placeMembers } from "../../../src/stores/tree/place-members.ts";
import { volumeStore } from "../../../src/stores/tree/tree-store.ts";
import { bindMount, contextsOf, plainTasks } from "./contexts.ts";

/** What a stack has at a path inside the tree that is restored. */
const inner: readonly (readonly [string, "places" | "mounted", string])[] = [
  ["another store", "places", "inner"],
  ["another store, deeper", "places", "inner/deeper/still"],
  ["a mount", "mounted", "inner"],
  ["a mount, deeper", "mounted", "inner/deeper"],
];

it.each(inner)(
  "a backup of unknown origin cannot lead %s elsewhere by a link",
  async (_what, given, path) => {
    await using directory = await temporaryDirectory("sophon-keeper-links-");
    const at = (name: string) => join(directory.path, name);
    for (const name of ["forged", "live/inner/deeper/still", "victim"]) {
      mkdirSync(at(name), { recursive: true });
    }
    writeFileSync(at("victim/precious"), "precious");
    writeFileSync(at("live/old"), "old");
    writeFileSync(at("forged/new"), "new");
    symlinkSync(at("victim"), at("forged/inner"));
    const { backup, restore } = contextsOf(directory.path);
    const storeAt = (source: string) => ({
      ...{ kind: "volume" as const, name: "volume-live", mount: bindMount(source) },
      ...{ services: ["app"], databases: [] },
    });
    const components = await volumeStore.backup(storeAt(at("forged")), backup);
    const live = storeAt(at("live"));
    const context = { ...restore, [given]: [at("live"), at(`live/${path}`)] };
    await expect(
      volumeStore.restore(live, components, { ...context, untrusted: true }),
    ).rejects.toMatchObject({
      exitCode: 2,
      class: "host-access",
      message: expect.stringContaining("inner"),
    });
    expect(readdirSync(at("live"))).toEqual(["inner", "old"]);
    // A link elsewhere in the tree is a link like any other.
    rmSync(at("forged/inner"));
    symlinkSync(at("victim"), at("forged/other"));
    const harmless = await volumeStore.backup(
      storeAt(at("forged")),
      contextsOf(directory.path).backup,
    );
    await volumeStore.restore(live, harmless, { ...context, untrusted: true });
    expect(readdirSync(at("live"))).toContain("new");
    expect(readdirSync(at("victim"))).toEqual(["precious"]);
    expect(readFileSync(at("victim/precious"), "utf8")).toBe("precious");
  },
);

it.each(["inner", "inner/deeper"])(
  "single files of a backup of unknown origin cannot lead a mount at %s elsewhere",
  async (path) => {
    await using directory = await temporaryDirectory("sophon-keeper-links-");
    const at = (name: string) => join(directory.path, name);
    for (const name of ["forged", "live/inner/deeper", "victim"]) {
      mkdirSync(at(name), { recursive: true });
    }
    symlinkSync(at("victim"), at("forged/inner"));
    const { backup, restore } = contextsOf(directory.path);
    const forged = { kind: "volume" as const, name: "volume-live", mount: bindMount(at("forged")) };
    const components = await volumeStore.backup({ ...forged, services: [], databases: [] }, backup);
    const [component] = components as [Component];
    const ranges = [{ offset: 0, bytes: component.plainBytes }];
    const params = {
      ...{ target: at("live"), stamp: "one", inner: [path] },
      selection: { component, ranges, roots: ["inner"], spare: [] },
    };
    const source = { ...sourceOf(restore), untrusted: true };
    await expect(
      plainTasks.run(placeMembers, { ...params, source }, { mounts: [] }),
    ).rejects.toMatchObject({ exitCode: 2, class: "host-access" });
    expect(lstatSync(at("live/inner")).isDirectory()).toBe(true);
    await plainTasks.run(placeMembers, { ...params, source: sourceOf(restore) }, { mounts: [] });
    expect(lstatSync(at("live/inner")).isSymbolicLink()).toBe(true);
  },
);
