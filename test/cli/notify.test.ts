import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { spawnText } from "../contract/support/spawn-text.ts";
import { onLoopback, shutDown } from "../lab/loopback-server.ts";
import { compiled } from "../lab/program.ts";
import { shipped } from "./keeper.ts";
import { sealedRepository } from "./sealed-repository.ts";

const password = "p@ss w0rd-of-mine";

/** A mail server that refuses everybody, and repeats the password in its answer. */
async function tellTale() {
  const server = new SMTPServer({
    ...{ authOptional: false, allowInsecureAuth: true, hideSTARTTLS: true },
    onAuth: (login, _session, done) => done(new Error(`wrong: ${login.password}`)),
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  };
}

/** Runs the command line; root's own files of state are out of its sight, and nothing of the test stays in them. */
async function keeper(args: readonly string[]) {
  const own = [process.execPath, join(await shipped(), "cli.js"), ...args];
  const hidden = 'mount -t tmpfs tmpfs /var/lib && exec "$0" "$@"';
  const apart = process.geteuid?.() === 0 ? ["unshare", "--mount", "sh", "-c", hidden] : [];
  const [program = "", ...words] = [...apart, ...own];
  const env = { PATH: process.env.PATH ?? "", HOME: "/nonexistent", NODE_COMPILE_CACHE: compiled };
  return await spawnText(program, words, env);
}

it("tells who can be told, warns of the others without a secret, and changes no result", async () => {
  await using place = await temporaryDirectory("sophon-keeper-notify-");
  await using sealed = await sealedRepository();
  await using mail = await tellTale();
  await sealed.add("2026-11-01");
  const bodies: string[] = [];
  const hook = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.url === "/moved/t0ken") {
      response.writeHead(307, { location: "/elsewhere" }).end();
      return;
    }
    bodies.push(`${request.url} ${body}`);
    response.end();
  });
  const url = await onLoopback(hook);
  const addresses = join(place.path, "addresses");
  const login = `keeper:${encodeURIComponent(password)}`;
  const lines = [
    `${url}/good`,
    `slack+${url}/moved/t0ken`,
    "discord+http://127.0.0.1:9/cl0sed",
    `smtp://${login}@127.0.0.1:${mail.port}/?from=a@nas.test&to=b@mail.test`,
  ];
  await writeFile(addresses, lines.join("\n"), { mode: 0o600 });
  const metrics = join(place.path, "metrics/keeper.prom");
  // A stack of its own: the runs of all stacks of a host stand in one file.
  const about = ["--repository", sealed.repository.path, "--project-directory", place.path];
  const told = ["--notify", `@${addresses}`, "--notify-on", "success,recovery,failure"];
  const { code, stdout, stderr } = await keeper([
    ...["verify", "--level", "checksum", "--json", ...about, ...told, "--metrics-path", metrics],
  ]);
  await shutDown(hook);
  expect(code, stderr).toBe(0);
  const result = JSON.parse(stdout);
  expect(bodies).toHaveLength(1);
  const [path = "", body = ""] = bodies[0]?.split(/ (.*)/s) ?? [];
  expect(path).toBe("/good");
  expect(JSON.parse(body)).toMatchObject({ command: "verify", result });
  for (const kind of ["slack", "discord", "mail"]) {
    expect(stderr).toMatch(new RegExp(`warning: notify: ${kind} (at|by) 127.0.0.1 was not told`));
  }
  for (const secret of [password, encodeURIComponent(password), "t0ken", "cl0sed"]) {
    expect(stdout + stderr).not.toContain(secret);
  }
  expect(await readFile(metrics, "utf8")).toContain(
    `sophon_keeper_run_exit_code{stack="${place.path}",command="verify"} 0`,
  );
  // Another user reads it.
  expect((await stat(metrics)).mode & 0o444).toBe(0o444);
});
