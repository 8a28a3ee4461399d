import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { scanLog } from "../../../src/commands/scan-log.ts";
import { type ContainerState, scan } from "../../../src/log-scan/scan.ts";
import { defaultConsole } from "./render.ts";
import { applying, failed, postgres, unhandled, up } from "./vocabulary.ts";

const deps = { clock: { monotonicMs: () => 0 } };
const pipe = (log: string | Uint8Array, state?: ContainerState) =>
  scanLog(Buffer.from(log), state === undefined ? {} : { state }, deps);
const random = Buffer.concat(
  Array.from({ length: 128 }, (_, at) => createHash("sha256").update(String(at)).digest()),
);

/** What people pipe in by mistake. */
const noLog: Readonly<Record<string, string | Uint8Array>> = {
  "a container that is not there": "Error response from daemon: No such container: gateway\n",
  "the same in an older engine's words": "Error: No such container: gateway\n",
  "a service that is not there": "no such service: gateway\n",
  "an engine that is down":
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
  "an engine that is closed to the user":
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied\n",
  "an engine's API": '{"message":"No such container: gateway"}\n',
  "a log driver that cannot be read":
    "Error response from daemon: configured logging driver does not support reading\n",
  "a program that is not there": "bash: docker: command not found\n",
  "the same in sh": "sh: 1: docker: not found\n",
  "the same in zsh": "zsh: command not found: docker\n",
  "a flag that is not there": "unknown shorthand flag: 't' in -t\nSee 'docker logs --help'.\n",
  "a missing argument":
    "\"docker logs\" requires exactly 1 argument.\nSee 'docker logs --help'.\n\nUsage:  docker logs [OPTIONS] CONTAINER\n\nFetch the logs of a container\n",
  "a Compose file that is not there": "no configuration file provided: not found\n",
  "a warning of Compose alone":
    'time="2026-03-02T09:00:00Z" level=warning msg="/srv/compose.yml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion"\n',
  "a pod that is not there": 'Error from server (NotFound): pods "gateway" not found\n',
  "a journal without entries": "-- No entries --\n",
  "a file that is not there": "cat: gateway.log: No such file or directory\n",
  "a host that is not there": "ssh: connect to host node-7 port 22: Connection refused\n",
  "a page":
    "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body>server error, starting</body></html>\n",
  "random bytes": random,
  "an archive": gzipSync("info: Program[0]\n      Starting\n".repeat(99)),
  "a database file": Buffer.concat([Buffer.from("SQLite format 3\0"), random, Buffer.alloc(512)]),
  "one stray line": "hello world\n",
  "one word": "Starting\n",
  "a number": "0\n",
  "a frame alone": "    at Gateway.Run()\n",
  "blank lines": "\n\n  \n",
  "objects without a message": '{"a":1}\n{"a":2}\n',
  "a list of files": "total 12\n-rw-r--r-- 1 root root 4096 Mar  2 09:00 compose.yml\n",
};

describe.each(Object.entries(noLog))("%s", (_, text) => {
  test("never reads as good", () => {
    const result = pipe(text);
    expect(result.result).toBe("unverifiable");
    expect(result.reason?.class).toMatch(/^(?:unknown|empty)-log$/);
    expect(result.checks).toEqual([expect.objectContaining({ status: "unverifiable" })]);
  });
});

test.each(["exited", "restarting", "hung", "running"] as const)(
  "an engine's error is no crash of the application, with the state %s",
  (state) => {
    expect(pipe("Error response from daemon: No such container: gateway\n", state).result).toBe(
      "unverifiable",
    );
  },
);

/** Short logs of healthy programs. */
const honest: Readonly<Record<string, string>> = {
  "a server in one line": "Server listening on port 3000\n",
  "a shell script": "Waiting for the database\nStarting the server\n",
  nginx:
    "/docker-entrypoint.sh: Configuration complete; ready for start up\n2026/03/02 09:00:00 [notice] 1#1: nginx/1.29.1\n2026/03/02 09:00:00 [notice] 1#1: start worker processes\n",
  PostgreSQL:
    "2026-03-02 09:00:00.778 UTC [1] LOG:  database system is ready to accept connections\n",
  Redis: "1:M 02 Mar 2026 09:00:00.206 * Ready to accept connections tcp\n",
  MariaDB:
    "2026-03-02  9:00:00 0 [Note] Starting MariaDB 11.8.2-MariaDB source revision as process 1\n2026-03-02  9:00:01 0 [Note] mariadbd: ready for connections.\n",
  MongoDB:
    '{"t":{"$date":"2026-03-02T09:00:00.678+00:00"},"s":"I","c":"NETWORK","id":23016,"ctx":"listener","msg":"Waiting for connections","attr":{"port":27017}}\n',
  RabbitMQ:
    "2026-03-02 09:00:00.678000+00:00 [info] <0.9.0> Server startup complete; 4 plugins started.\n",
  uvicorn:
    "INFO:     Started server process [1]\nINFO:     Waiting for application startup.\nINFO:     Application startup complete.\n",
  Django:
    "Operations to perform:\n  Apply all migrations: auth, jobs\nRunning migrations:\n  No migrations to apply.\n",
  Spring:
    "2026-03-02T09:00:00.678Z  INFO 1 --- [           main] gateway.Application                      : Started Application in 4.2 seconds (process running for 5.1)\n",
  Go: 'time=2026-03-02T09:00:00.678Z level=INFO msg="listening" addr=:8080\n',
};

describe.each(Object.entries(honest))("%s", (_, text) => {
  test("is clean, piped or read from the container", () => {
    expect(pipe(text).result).toBe("clean");
    expect(scan(text, { state: "running" }).verdict).toBe("clean");
  });
});

test.each(["Starting\n", "hello world\n", "OK\n"])(
  "few words of a container that is known to run are no failure: %j",
  (text) => {
    expect(scan(text, { state: "running" }).verdict).toBe("clean");
  },
);

const bad = defaultConsole([
  applying("20260101_X"),
  failed('ALTER TABLE "Nodes" ADD "Region" text;'),
  unhandled(postgres("42701", 'column "Region" of relation "Nodes" already exists')),
]);
const swap = (bytes: Buffer) => Buffer.from(bytes).swap16();
const encodings: Readonly<Record<string, (text: string) => Buffer>> = {
  "UTF-8 with a mark": (text) => Buffer.from(`\ufeff${text}`),
  "UTF-16 with a mark": (text) => Buffer.from(`\ufeff${text}`, "utf16le"),
  "UTF-16 without a mark": (text) => Buffer.from(text, "utf16le"),
  "UTF-16 the other way round": (text) => swap(Buffer.from(`\ufeff${text}`, "utf16le")),
  "a head of zeros": (text) => Buffer.concat([Buffer.alloc(4096), Buffer.from(`\n${text}`)]),
};

test.each(Object.entries(encodings))("a log in %s is read", (_, encode) => {
  expect(pipe(encode(bad)).reason?.class).toBe("schema-conflict");
  expect(pipe(encode(defaultConsole(up))).result).toBe("clean");
});
