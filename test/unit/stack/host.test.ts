import { expect, test } from "vitest";
import { type HostFacts, judgeHost } from "../../../src/stack/host-support.ts";
import { olderThan } from "../../../src/stack/older-than.ts";

const good: HostFacts = {
  engineVersion: "26.1.5+dfsg1",
  composeVersion: "2.26.1-4",
  operatingSystem: "Debian GNU/Linux 12 (bookworm)",
  osType: "linux",
  kernel: "6.1.0",
  ownKernel: "6.1.0",
  securityOptions: ["name=apparmor", "name=seccomp,profile=builtin"],
  components: ["Engine", "containerd"],
  dockerRoot: "/var/lib/docker",
  inContainer: false,
};

const own = { image: "sha256:1", mounts: [], hasHostNamespaces: true };

const cases: readonly (readonly [string | undefined, Partial<HostFacts>])[] = [
  [undefined, {}],
  [undefined, { engineVersion: "20.10.24+dfsg1", composeVersion: "2.20.0" }],
  [undefined, { engineVersion: "29.0.1", composeVersion: "5.0.0" }],
  ["podman", { components: ["Podman Engine", "Conmon"] }],
  ["docker-desktop", { operatingSystem: "Docker Desktop", kernel: "6.6-linuxkit" }],
  ["not-linux", { osType: "windows" }],
  ["rootless", { securityOptions: ["name=seccomp,profile=builtin", "name=rootless"] }],
  ["userns-remap", { securityOptions: ["name=userns"] }],
  ["remote-engine", { kernel: "5.15.0" }],
  ["in-container", { inContainer: true }],
  ["in-container", { inContainer: true, own: { ...own, hasHostNamespaces: false } }],
  [undefined, { inContainer: true, own }],
  ["old-engine", { engineVersion: "19.03.15" }],
  ["old-engine", { engineVersion: "20.9" }],
  ["no-compose", { composeVersion: "" }],
  ["old-compose", { composeVersion: "2.19.1" }],
];

test.each(cases)("the verdict %s for %o", (verdict, facts) => {
  const refusal = judgeHost({ ...good, ...facts });
  expect(refusal?.class).toBe(verdict);
  if (refusal !== undefined) expect(refusal.hint).not.toBe("");
});

test("versions are compared by their numbers", () => {
  expect(olderThan("2.9.1", "2.20")).toBe(true);
  expect(olderThan("2.20", "2.20.0")).toBe(false);
  expect(olderThan("v3", "2.20")).toBe(false);
  expect(olderThan("dev", "2.20")).toBe(false);
});
