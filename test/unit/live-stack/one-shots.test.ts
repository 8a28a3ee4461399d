import { expect, it } from "vitest";
import { isJob, mayEnd } from "../../../src/operations/live-stack/one-shots.ts";

const ended: Parameters<typeof isJob>[0] = {
  ...{ service: "job", state: "exited", exitCode: 0, restartPolicy: "no", health: "none" },
};
const needs = (condition: string) => ({ app: { depends_on: { job: { condition } } } });

it.each([
  ["it has ended well", {}, {}, {}, true],
  ["it is tried again after a failure", { restartPolicy: "on-failure:3" }, {}, {}, true],
  ["a rollback has recreated it", { state: "created" }, {}, {}, true],
  ["its health check is off", {}, { healthcheck: { disable: true } }, {}, true],
  ["another service waits for its success", {}, {}, needs("service_completed_successfully"), true],
  ["it runs", { state: "running" }, {}, {}, false],
  ["it has failed, or was stopped", { exitCode: 143 }, {}, {}, false],
  ["its policy brings it back", { restartPolicy: "unless-stopped" }, {}, {}, false],
  ["it serves a port", {}, { ports: [{ target: 80 }] }, {}, false],
  ["it has a health check", {}, { healthcheck: { test: ["CMD", "x"] } }, {}, false],
  ["its image has a health check", { health: "unhealthy" }, {}, {}, false],
  ["another service uses it", {}, {}, needs("service_started"), false],
])("a container is a job or not: %s", (_, container, service, others, is) => {
  const services = { job: service, ...others };
  const one = { ...ended, ...container } as typeof ended;
  expect(isJob(one, { model: { services }, containers: [one] })).toBe(is);
});

it.each([
  ["nothing tells that it is a server", {}, {}, true],
  ["its policy brings it back", { restartPolicy: "always" }, {}, false],
  ["another service uses it", {}, needs("service_healthy"), false],
])("a container that runs may be a job or not: %s", (_, container, others, is) => {
  const one = { ...ended, state: "running", ...container } as typeof ended;
  expect(mayEnd(one, { services: { job: {}, ...others } })).toBe(is);
});

it("a stopped replica of what runs is no job", () => {
  const containers = [ended, { service: "job", state: "running" } as const];
  expect(isJob(ended, { model: { services: { job: {} } }, containers })).toBe(false);
});
