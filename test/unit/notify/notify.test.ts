import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { SMTPServer } from "smtp-server";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import type { Message } from "../../../src/notify/message.ts";
import { eventOf, notify, notifyStart } from "../../../src/notify/notify.ts";

const hurried: Clock = {
  now: () => new Date(0),
  monotonicMs: () => 0,
  sleep: async () => undefined,
};

const failed: Message = {
  title: "Upgrade failed; the old version is running on its own data (verified) (sophon on nas)",
  text: "sophon-gateway: it ended with code 134 <b>*loud*</b> @everyone\nupgrade-test: took 74 s",
  ...{ isGood: false, isUrgent: false, host: "nas", stack: "sophon", command: "upgrade-test" },
  at: new Date(0),
  result: { result: "rolled-back", seconds: 74 },
};
const good: Message = {
  ...failed,
  ...{
    isGood: true,
    title: "Backup made (sophon on nas)",
    result: { result: "backed-up", seconds: 3 },
  },
};
const always = ["failure", "recovery", "success"];

interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A receiver on loopback; `status` of the nth request. */
async function receiver(status: (nth: number) => number = () => 200) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push({ path: request.url ?? "", headers: request.headers, body });
    response.statusCode = status(seen.length);
    if (response.statusCode === 302) response.setHeader("Location", "/elsewhere");
    response.end("ok");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ...{ seen, url: `http://127.0.0.1:${port}` },
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A mail server that takes everything. */
async function mailServer() {
  const mails: string[] = [];
  const receivers: string[][] = [];
  const server = new SMTPServer({
    ...{ authOptional: true, hideSTARTTLS: true },
    onData(stream, { envelope }, done) {
      receivers.push(envelope.rcptTo.map(({ address }) => address));
      let text = "";
      stream.on("data", (chunk: Buffer) => {
        text += chunk;
      });
      stream.on("end", () => {
        mails.push(text);
        done();
      });
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  return {
    ...{ mails, receivers, url: `smtp://127.0.0.1:${port}` },
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  };
}

async function told(
  addresses: readonly string[],
  message = failed,
  { wanted = always, attemptMs = 5000 }: { wanted?: readonly string[]; attemptMs?: number } = {},
): Promise<string[]> {
  const warnings: string[] = [];
  const event = eventOf(message.isGood, undefined);
  const warn = (text: string) => void warnings.push(text);
  await notify(addresses, { message, event, wanted }, { clock: hurried, warn, attemptMs });
  return warnings;
}

describe("what arrives", () => {
  it("is the whole result at a webhook", async () => {
    using hook = await receiver();
    expect(await told([hook.url])).toEqual([]);
    expect(JSON.parse(hook.seen[0]?.body ?? "")).toEqual({
      ...{ title: failed.title, host: "nas", stack: "sophon", command: "upgrade-test" },
      ...{ at: "1970-01-01T00:00:00.000Z", result: failed.result },
    });
  });

  it("is a title that can be decoded, a text and a priority at ntfy", async () => {
    using hook = await receiver();
    await told([`ntfy+${hook.url}/topic`]);
    const { headers, body } = hook.seen[0] ?? {};
    expect(headers?.priority).toBe("4");
    const [, encoded = ""] = /^=\?UTF-8\?B\?(.*)\?=$/.exec(String(headers?.title)) ?? [];
    expect(Buffer.from(encoded, "base64").toString()).toBe(failed.title);
    expect(body).toContain("ended with code 134");
  });

  it("calls nobody and is no markup at Slack, Discord and Teams", async () => {
    using hook = await receiver();
    await told([`slack+${hook.url}/s`, `discord+${hook.url}/d`, `teams+${hook.url}/t`]);
    const of = (path: string) => JSON.parse(hook.seen.find((one) => one.path === path)?.body ?? "");
    expect(of("/s").text).toContain("&lt;b&gt;");
    expect(of("/d").allowed_mentions).toEqual({ parse: [] });
    expect(of("/d").content).toContain("\\*loud\\*");
    expect(of("/t").attachments[0].content.body[0].text).toContain("Upgrade failed");
  });

  it.each([
    ["markup", "*_`|#[]<&".repeat(400)],
    ["what is no ASCII", "日本語のログ".repeat(400)],
    ["pairs of code units", "🐘".repeat(2000)],
  ])("fits the limits of Discord and ntfy: a long text of %s", async (_, text) => {
    using hook = await receiver();
    await told([`discord+${hook.url}/d`, `ntfy+${hook.url}/n`, `slack+${hook.url}/s`], {
      ...{ ...failed, text },
    });
    const of = (path: string) => hook.seen.find((one) => one.path === path)?.body ?? "";
    const { content } = JSON.parse(of("/d"));
    // Discord refuses more than 2000 characters, ntfy makes a file of more than 4096 bytes.
    expect(content.length).toBeLessThanOrEqual(2000);
    expect(Buffer.byteLength(of("/n"))).toBeLessThanOrEqual(4096);
    for (const told of [content, of("/n"), JSON.parse(of("/s")).text]) {
      expect(String(told).length).toBeGreaterThan(300);
      expect(String(told).isWellFormed()).toBe(true);
      expect(told).not.toContain("\ufffd");
    }
  });

  it("has the login of its address, whatever letters the password has", async () => {
    using hook = await receiver();
    const address = hook.url.replace("//", `//me:${encodeURIComponent("pä漢")}@`);
    expect(await told([address])).toEqual([]);
    const login = String(hook.seen[0]?.headers.authorization).replace("Basic ", "");
    expect(Buffer.from(login, "base64").toString()).toBe("me:pä漢");
  });

  it("is start, success and failure at a service that watches for silence, whatever was asked for", async () => {
    using hook = await receiver();
    const address = `healthchecks+${hook.url}/uuid`;
    await notifyStart([address], () => undefined);
    await told([address], good, { wanted: [] });
    await told([address], failed, { wanted: [] });
    expect(hook.seen.map(({ path }) => path)).toEqual(["/uuid/start", "/uuid", "/uuid/fail"]);
  });

  it("is one mail to one person, whatever the names in it", async () => {
    await using server = await mailServer();
    const evil = "x\r\nBcc: other@mail.test\r\nSubject: y\r\n\r\nbody";
    const message = { ...failed, title: `Backup failed (${evil} on nas)`, stack: evil, text: evil };
    const to = encodeURIComponent("me@mail.test");
    expect(await told([`${server.url}/?from=keeper@nas.test&to=${to}`], message)).toEqual([]);
    expect(server.receivers).toEqual([["me@mail.test"]]);
    const [head = ""] = String(server.mails[0]).split("\r\n\r\n");
    expect(
      head.match(/^\w[\w-]*(?=:)/gm)?.filter((name) => /bcc|^subject|^to$/i.test(name)),
    ).toEqual([...["To", "Subject"]]);
  });

  it("is a mail at a real mail server, with its password", async () => {
    const mails: string[] = [];
    const logins: string[] = [];
    const server = new SMTPServer({
      ...{ authOptional: false, allowInsecureAuth: true, hideSTARTTLS: true },
      onAuth({ username, password }, _session, done) {
        logins.push(`${username}:${password}`);
        done(null, { user: username });
      },
      onData(stream, _session, done) {
        let text = "";
        stream.on("data", (chunk: Buffer) => {
          text += chunk;
        });
        stream.on("end", () => {
          mails.push(text);
          done();
        });
      },
    });
    server.listen(0, "127.0.0.1");
    await once(server.server, "listening");
    const { port } = server.server.address() as AddressInfo;
    try {
      const url = `smtp://keeper:p%40ss@127.0.0.1:${port}/?from=keeper@nas.test&to=me@mail.test`;
      expect(await told([url])).toEqual([]);
    } finally {
      await new Promise<void>((done) => server.close(() => done()));
    }
    expect(logins).toEqual(["keeper:p@ss"]);
    expect(mails[0]).toContain("To: me@mail.test");
    expect(mails[0]).toContain("Subject: Upgrade failed;");
  });
});

describe("what does not arrive", () => {
  it("is tried three times, and then a warning that shows no secret", async () => {
    using hook = await receiver(() => 500);
    const warnings = await told([`slack+${hook.url}/services/s3cr3t`]);
    expect(hook.seen).toHaveLength(3);
    expect(warnings).toEqual(["notify: slack at 127.0.0.1 was not told: it answered 500"]);
  });

  it("is told by the second attempt", async () => {
    using hook = await receiver((nth) => (nth === 1 ? 503 : 200));
    expect(await told([hook.url])).toEqual([]);
    expect(hook.seen).toHaveLength(2);
  });

  it("is never sent to where a redirect points", async () => {
    using hook = await receiver(() => 302);
    expect(await told([hook.url])).toHaveLength(1);
    expect(hook.seen.every(({ path }) => path === "/")).toBe(true);
  });

  it("is given up when a mail server keeps talking and never comes to an end", async () => {
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.write("220 hello\r\n");
      const drip = setInterval(() => void socket.write("250-wait\r\n"), 20);
      socket.on("close", () => clearInterval(drip));
      socket.resume();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const url = `smtp://127.0.0.1:${port}/?from=a@b.test&to=c@d.test`;
    const warnings = await told([url], failed, { attemptMs: 200 });
    server.close();
    const why = "notify: mail by 127.0.0.1 was not told: it did not answer within 0.2 s";
    expect(warnings).toEqual([expect.stringContaining(why)]);
  });

  it.each(["", "smtp"])(
    "is given up when nobody listens, or takes the connection and is silent (%s)",
    async (kind) => {
      const server = createTcpServer(() => undefined);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const address = (at: number) =>
        kind === ""
          ? `http://127.0.0.1:${at}/s3cr3t`
          : `smtp://127.0.0.1:${at}/?from=a@b.test&to=c@d.test`;
      const silent = await told([address(port)], failed, { attemptMs: 100 });
      server.close();
      const closed = await told([address(port)], failed, { attemptMs: 1000 });
      for (const warnings of [silent, closed]) {
        expect(warnings).toHaveLength(1);
        expect(warnings[0]).not.toContain("s3cr3t");
      }
      expect(closed[0]).toContain("ECONNREFUSED");
    },
  );
});

it("is told of what was asked for: the first success after a failure is a recovery", async () => {
  expect(eventOf(true, undefined)).toBe("success");
  expect(eventOf(true, { exitCode: 0 })).toBe("success");
  expect(eventOf(true, { exitCode: 3 })).toBe("recovery");
  expect(eventOf(false, { exitCode: 0 })).toBe("failure");
  using hook = await receiver();
  await told([hook.url], good, { wanted: ["failure", "recovery"] });
  expect(hook.seen).toEqual([]);
});
