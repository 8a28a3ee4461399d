import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import type { NamedResponder } from "../core/task.ts";

/** A request for the health of a server. */
export interface HealthRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of the certificate authority that signed the server's certificate. */
  readonly ca?: string;
  /** The limit for one answer. */
  readonly timeoutMs: number;
}

/** The result of one probe. A status from 200 to 299 is healthy. */
export interface HealthAnswer {
  readonly healthy: boolean;
  /** 0 if there was no answer. */
  readonly status: number;
  /** The first 2 KiB of the answer, or why there was none. */
  readonly detail: string;
}

const detailBytes = 2_048;

/** Which server to probe, and what it must answer. */
export interface ServerQuestion {
  /** An address reachable from the prober; undefined means the addresses of the prober's own network namespace. */
  readonly address?: string | undefined;
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * `success`: a status from 200 to 299. `answer`: any status except 5xx, or anything in another protocol, the end of
   * the connection included. Silence is no answer.
   */
  readonly wants: "success" | "answer";
  readonly timeoutMs: number;
}

/**
 * Probes servers from inside the network namespace of one of them. No port needs to be published, and servers on an
 * internal network are reachable too.
 */
export const serverProber: NamedResponder<ServerQuestion, HealthAnswer> = {
  name: "stack.probe",
  answer: async (question, { signal }) => {
    const { address, port, timeoutMs } = question;
    let last: HealthAnswer = { healthy: false, status: 0, detail: "no address" };
    for (const host of address === undefined ? ownAddresses() : [address]) {
      const failure = await connectFailure(host, port, timeoutMs);
      if (failure === undefined) return await askServer(host, question, signal);
      last = { healthy: false, status: 0, detail: failure };
    }
    return last;
  },
};

async function askServer(
  host: string,
  { port, path, headers = {}, wants, timeoutMs }: ServerQuestion,
  signal: AbortSignal,
): Promise<HealthAnswer> {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;
  const { isLate, ...answer } = await request({ url, headers, timeoutMs }, signal);
  if (wants === "success") return answer;
  if (isLate) return { ...answer, detail: `accepts connections, but ${answer.detail}` };
  // The server's protocol may not be HTTP: it answered something else, or ended the connection.
  if (answer.status === 0) return { healthy: true, status: 0, detail: "accepts connections" };
  return { ...answer, healthy: answer.status < 500 };
}

/** The loopback addresses first: a server may listen only there, or only on the container's address. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const others = all.filter(({ internal, scopeid }) => !internal && !scopeid);
  return [...new Set(["127.0.0.1", "::1", ...others.map(({ address }) => address)])];
}

/** Why a port accepts no connection; undefined if it accepts one. */
async function connectFailure(
  host: string,
  port: number,
  timeoutMs: number,
): Promise<string | undefined> {
  const socket = connect({ host, port, timeout: timeoutMs });
  try {
    return await new Promise((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("timeout", () => resolve(`no connection within ${timeoutMs} ms`));
      socket.once("error", (error) => resolve(error.message || error.name));
    });
  } finally {
    socket.destroy();
  }
}

/** Sends one request. Never throws for an error of the server or the network. */
export async function probe(asked: HealthRequest, signal: AbortSignal): Promise<HealthAnswer> {
  const { isLate: _, ...answer } = await request(asked, signal);
  return answer;
}

/** `isLate`: the time was over before any answer. */
async function request(
  { url, headers, ca, timeoutMs }: HealthRequest,
  signal: AbortSignal,
): Promise<HealthAnswer & { readonly isLate: boolean }> {
  const { promise, resolve } = Promise.withResolvers<HealthAnswer>();
  const timeout = AbortSignal.timeout(timeoutMs);
  const failed = (error: Error) => {
    const why = error.message || error.name;
    const detail = timeout.aborted ? `no answer within ${timeoutMs} ms` : why;
    resolve({ healthy: false, status: 0, detail });
  };
  const options: RequestOptions & { ca?: string } = {
    headers: { ...headers },
    // Never reuse a connection: it may belong to an earlier process of the server.
    agent: false,
    signal: AbortSignal.any([signal, timeout]),
    ...(ca === undefined ? {} : { ca }),
  };
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  let isSilent = true;
  const sent = send(url, options, (response) => {
    isSilent = false;
    let detail = "";
    const status = response.statusCode ?? 0;
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      detail = (detail + text).slice(0, detailBytes);
    });
    response.on("error", failed);
    response.on("end", () => resolve({ healthy: status >= 200 && status < 300, status, detail }));
  });
  sent.on("error", failed);
  sent.end();
  const answer = await promise;
  return { ...answer, isLate: isSilent && timeout.aborted };
}
