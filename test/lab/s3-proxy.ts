import {
  createServer,
  request as forward,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { shutDown } from "./loopback-server.ts";

/** Answers that come without the server being asked: status and code. */
const answers = {
  "403": [403, "AccessDenied"],
  "500": [500, "InternalError"],
  "503": [503, "SlowDown"],
  expired: [400, "ExpiredToken"],
  /** As S3 answers what has begun well: the status is sent before the work is done. */
  "200-500": [200, "InternalError"],
  "200-403": [200, "AccessDenied"],
} as const satisfies Readonly<Record<string, readonly [status: number, code: string]>>;

/**
 * What happens to a request on its way. `flip`: one byte of its body changes; `cut`: its answer is cut off at half; `half`: it
 * stands still there.
 */
export type Fault =
  | keyof typeof answers
  | "flip"
  | "flip-answer"
  | "cut"
  | "half"
  | "stall"
  | "gone";

/** Between a client and a server on this host: passes requests on, and does something to some of them. */
export class S3Proxy implements AsyncDisposable {
  /** What happens to a request; undefined: it is passed on. */
  fault: (method: string, path: string) => Fault | undefined = () => undefined;
  readonly requests: string[] = [];
  /** Every request that the client got an answer to, such as `200 PUT /bucket/key`. */
  readonly answered: string[] = [];
  readonly #target: URL;
  readonly #server: Server;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
  }

  static async before(target: string): Promise<S3Proxy> {
    const made = new S3Proxy(target);
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await shutDown(this.#server);
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    this.requests.push(`${method} ${url}`);
    const fault = this.fault(method, url);
    if (fault === "gone") return void request.socket.destroy();
    const body = await buffer(request);
    if (fault === "stall") return;
    if (fault !== undefined && fault in answers) {
      const [status, code] = answers[fault as keyof typeof answers];
      response.writeHead(status, { "content-type": "application/xml" });
      return void response.end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    }
    if (fault === "flip" && body.length > 0) flip(body);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const { hostname, port } = this.#target;
      // The signature covers the name of the host that the client asked.
      const passed = forward(
        { hostname, port, method, path: url, headers: request.headers },
        resolve,
      );
      passed.on("error", reject);
      passed.end(body);
    });
    const content = await buffer(answer);
    if (fault === "flip-answer" && content.length > 0) flip(content);
    if (fault === "cut" && content.length === 0) {
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    if (fault === "half") return void response.write(content.subarray(0, content.length >> 1));
    if (fault !== "cut") {
      this.answered.push(`${answer.statusCode} ${method} ${url}`);
      return void response.end(content);
    }
    response.write(content.subarray(0, content.length >> 1), () => response.destroy());
  }
}

function flip(content: Buffer): void {
  const at = content.length >> 1;
  content[at] = (content[at] ?? 0) ^ 1;
}
