import { createTransport } from "nodemailer";
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import { ExecError, run } from "../core/exec.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import type { Address } from "../options/notify-address.ts";
import { type Message, payloadOf } from "./message.ts";

/** So long one attempt may take. */
const usualAttemptMs = 10_000;
/** The pauses between attempts: three attempts in all. */
const pausesMs = [1000, 4000];

interface SendDependencies {
  readonly clock: Clock;
  /** How long one attempt may take, in milliseconds. */
  readonly attemptMs?: number | undefined;
}

/**
 * Sends a message to an address, with three attempts.
 *
 * @throws Error of the last attempt. It does not contain the address.
 */
export async function send(
  address: Address,
  message: Message,
  { clock, attemptMs = usualAttemptMs }: SendDependencies,
): Promise<void> {
  await attempts(clock, async () => {
    if (address.kind === "mail") return await sendMail(address.url, message, attemptMs);
    if (address.kind === "sendmail") return await sendBySendmail(address.url, message, attemptMs);
    const url =
      address.kind === "healthchecks" && !message.isGood ? below(address.url, "fail") : address.url;
    const { headers, body } = payloadOf(address.kind, message);
    await post(url, { headers, body, attemptMs });
  });
}

/** Tells a healthchecks.io-like service that a run has begun, so that it notices one that never ends. One attempt. */
export async function sendStart(address: Address): Promise<void> {
  if (address.kind === "healthchecks")
    await post(below(address.url, "start"), {
      ...{ headers: {}, body: "", attemptMs: usualAttemptMs },
    });
}

/** `https://hc-ping.com/UUID` to `https://hc-ping.com/UUID/fail`, whatever stands behind a question mark. */
function below(url: string, name: string): string {
  const whole = new URL(url);
  whole.pathname = `${whole.pathname.replace(/\/$/, "")}/${name}`;
  return whole.href;
}

interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly attemptMs: number;
}

async function post(url: string, { headers, body, attemptMs }: Post): Promise<void> {
  const { username, password, href } = bare(url);
  const login =
    username === ""
      ? {}
      : { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  const response = await fetch(href, {
    ...{ method: "POST", body, headers: { ...headers, ...login } },
    // The address holds a secret: it is sent nowhere else.
    redirect: "error",
    signal: AbortSignal.timeout(attemptMs),
  }).catch((cause: unknown) => {
    throw new Error(failureOf(cause, attemptMs), { cause });
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`it answered ${response.status}`);
}

/** `fetch` takes no user and password in a URL. */
function bare(url: string): { username: string; password: string; href: string } {
  const whole = new URL(url);
  const username = decodeURIComponent(whole.username);
  const password = decodeURIComponent(whole.password);
  whole.username = "";
  whole.password = "";
  return { username, password, href: whole.href };
}

async function sendMail(url: string, message: Message, attemptMs: number): Promise<void> {
  const whole = new URL(url);
  const [from, to] = [whole.searchParams.get("from"), whole.searchParams.get("to")];
  const isTls = whole.protocol === "smtps:";
  const transport = createTransport({
    host: whole.hostname.replace(/^\[|\]$/g, ""),
    port: whole.port === "" ? (isTls ? 465 : 587) : Number(whole.port),
    secure: isTls,
    ...(whole.username === ""
      ? {}
      : {
          auth: {
            user: decodeURIComponent(whole.username),
            pass: decodeURIComponent(whole.password),
          },
          // A password never travels in the clear, except within this host.
          requireTLS: !isTls && !isLoopback(whole.hostname),
        }),
    connectionTimeout: attemptMs,
    greetingTimeout: attemptMs,
    socketTimeout: attemptMs,
  });
  const sent = transport.sendMail({
    ...{ from: from ?? "", to: to ?? "", subject: message.title, text: message.text },
    // Content comes from results only: no file and no URL is ever attached.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    // The limits of the transport begin anew with each line that a server says.
    await unlessAborted(sent, AbortSignal.timeout(attemptMs));
  } catch (cause) {
    throw new Error(failureOf(cause, attemptMs), { cause });
  } finally {
    transport.close();
  }
}

async function sendBySendmail(to: string, message: Message, attemptMs: number): Promise<void> {
  const from = `sophon-keeper@${message.host}`;
  const transport = createTransport({ streamTransport: true, buffer: true, newline: "unix" });
  const mail = await transport.sendMail({
    ...{ from, to, subject: message.title, text: message.text },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const input = mail.message as Buffer;
  try {
    await run("sendmail", ["-i", "-f", from, to], { input, timeoutMs: attemptMs, secrets: [to] });
  } catch (cause) {
    const isLate = cause instanceof ExecError && cause.timedOut;
    const why = isLate ? `it did not end within ${attemptMs / 1000} s` : describeError(cause);
    throw new Error(why, { cause });
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127\./.test(host);
}

/** What went wrong, without the URL. */
function failureOf(error: unknown, attemptMs: number): string {
  if (!(error instanceof Error)) return describeError(error);
  if (error.name === "TimeoutError") return `it did not answer within ${attemptMs / 1000} s`;
  const { cause } = error;
  const code = [error, cause].find(
    (one): one is Error & { code: string } =>
      one instanceof Error && "code" in one && typeof one.code === "string",
  )?.code;
  if (error.name === "TypeError")
    return code ?? (cause instanceof Error ? cause.message : "it could not be reached");
  return error.message.split("\n")[0] ?? "";
}

async function attempts(clock: Clock, attempt: () => Promise<void>): Promise<void> {
  for (const pauseMs of pausesMs) {
    try {
      return await attempt();
    } catch {
      await clock.sleep(pauseMs);
    }
  }
  await attempt();
}
