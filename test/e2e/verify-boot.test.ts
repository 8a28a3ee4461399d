import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run, tryRun } from "../lab/run.ts";
import { pythonImage } from "../lab/sophon.ts";
import { until } from "../lab/step.ts";
import { keeper } from "./support/keeper.ts";

/**
 * An application that serves where it finds its key ring, as it does in the live stack. Without it, as in a clone of a
 * backup that leaves the ring out, it does what `MODE` says.
 */
const application = `
import http.server, os, sys, threading, time
print("info: Program[0]\\n      Starting", flush=True)
mode = os.environ["MODE"] if not os.path.exists("/keys/ring") else "serves"
def serve():
    http.server.ThreadingHTTPServer(("0.0.0.0", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
def later(seconds, code):
    time.sleep(seconds)
    os._exit(code)
if mode == "crashes": later(3, 134)
if mode == "quits": later(3, 0)
if mode == "serves, then crashes": threading.Thread(target=later, args=(3, 1)).start()
if mode == "is late": time.sleep(9)
if mode == "never listens": time.sleep(999)
if mode == "fails to migrate":
    print("Unhandled exception. Npgsql.PostgresException (0x80004005): 42P07: relation exists", flush=True)
serve()
`;

interface Service {
  readonly [key: string]: unknown;
}

/** Backs a stack of that application up without its key ring, and restores it for a test. */
async function verified(mode: string, more: Service = {}, others: Record<string, Service> = {}) {
  const project = `sk-boot-${randomBytes(3).toString("hex")}`;
  const root = await mkdtemp(join(tmpdir(), "sophon-keeper-boot-"));
  const directory = join(root, project);
  const compose = (...args: string[]) =>
    run(["docker", "compose", "--project-directory", directory, ...args]);
  const app = {
    image: pythonImage,
    environment: { MODE: mode },
    command: ["python3", "-u", "-c", application.replaceAll("$", "$$$$")],
    init: true,
    volumes: ["./data:/data", "keys:/keys"],
    ...more,
  };
  const services = { app, ...others };
  await mkdir(join(directory, "data"), { recursive: true });
  await writeFile(join(directory, "data", "a"), "hello");
  const file = JSON.stringify({ name: project, services, volumes: { keys: {} } });
  await writeFile(join(directory, "compose.yaml"), file);
  const place = ["--project-directory", directory, "--repository", join(root, "repository")];
  try {
    const ring = ["--rm", "--no-deps", "--entrypoint", "sh", "app", "-c", "echo ring >/keys/ring"];
    await compose("run", ...ring);
    await compose("up", "--detach");
    const asks = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/')";
    const serves = ["exec", "-T", "app", "python3", "-c", asks];
    await until("the live stack serves", 120_000, () =>
      compose(...serves).then(
        () => true,
        () => false,
      ),
    );
    const backup = await keeper(["backup", ...place, "--exclude", "keys"]);
    expect(backup.result?.result, backup.stderr).toBe("backed-up");
    const level = ["--level", "restore", "--health-timeout", "25s"];
    const { result, stderr } = await keeper(["verify", ...place, ...level]);
    const label = `label=com.docker.compose.project`;
    const left = await run(["docker", "ps", "--all", "--format", `{{.Label "${label.slice(6)}"}}`]);
    expect(left).not.toContain(`${project}-scratch`);
    return { result, stderr };
  } finally {
    await tryRun(["docker", "compose", "--project-directory", directory, "down", "--volumes"]);
    await rm(root, { recursive: true, force: true });
  }
}

/** What a check says of a service. */
function told(result: {
  checks: { name: string; component?: string; status: string; detail: string }[];
}) {
  return result.checks
    .filter(({ name }) => ["clone", "health", "log"].includes(name))
    .map(({ name, component, status, detail }) => `${name} ${component}: ${status}: ${detail}`)
    .join("\n");
}

// Side by side: most of the time of each is waiting.
describe.concurrent("a test restore of a stack without a health check", () => {
  const bad: [mode: string, more: Service, expected: RegExp][] = [
    ["crashes", {}, /health app: unverifiable: .*exited with code 134/],
    ["quits", {}, /health app: unverifiable: .*exited with code 0/],
    ["crashes", { restart: "always" }, /health app: unverifiable: .*exited with code 134/],
    ["serves, then crashes", {}, /health app: unverifiable: .*exited with code 1/],
    ["never listens", {}, /health app: unverifiable: .*running, answers nothing on port 8000/],
    ["never listens", { ports: ["8000"] }, /health app: unverifiable: .*nothing on port 8000/],
  ];
  cells(
    it,
    bad,
    (mode, more) => mode === "serves, then crashes" || "ports" in more,
  )("is not good when the application %s in it (%j)", async (mode, more, expected) => {
    const { result, stderr } = await verified(mode, more);
    expect(result.result, stderr).toBe("unverifiable");
    expect(told(result)).toMatch(expected);
  });

  it("finds the backup damaged where the log tells of a failed migration", async () => {
    const { result, stderr } = await verified("fails to migrate");
    expect(result.result, stderr).toBe("damaged");
    expect(told(result)).toMatch(/log app: fail: schema-conflict/);
  });

  it("waits for one that listens late", exhaustive, async () => {
    const { result, stderr } = await verified("is late");
    expect(result.result, `${stderr}${told(result ?? { checks: [] })}`).toBe("verified");
    expect(told(result)).toContain("health app: pass: running, answers 200");
  });

  it("is good with a job that ends, with one that had failed, and with services that share a network", async () => {
    const base = { image: pythonImage, volumes: ["./data:/data"] };
    const job = { ...base, command: ["sh", "-c", "sleep 2; echo done"] };
    const asks =
      "import urllib.request as r, time; r.urlopen('http://127.0.0.1:8000/'); time.sleep(999)";
    const beside = {
      ...base,
      ...{ network_mode: "service:app", command: ["python3", "-u", "-c", asks] },
      depends_on: { app: { condition: "service_healthy" } },
    };
    const healthcheck = {
      test: [
        "CMD",
        "python3",
        "-c",
        "import socket; socket.create_connection(('127.0.0.1', 8000))",
      ],
      interval: "5s",
    };
    const depends_on = { job: { condition: "service_completed_successfully" } };
    const { result, stderr } = await verified(
      "serves",
      { healthcheck, depends_on },
      { job, beside, seed: { ...base, command: ["sh", "-c", "echo the mirror is down; exit 3"] } },
    );
    expect(result.result, `${stderr}${told(result ?? { checks: [] })}`).toBe("verified");
    expect(told(result)).toContain("health job: pass: ended with exit code 0");
    expect(told(result)).toContain("clone seed: pass: not judged: it had ended with exit code 3");
  });
});
