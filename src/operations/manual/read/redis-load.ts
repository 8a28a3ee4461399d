import { open } from "node:fs/promises";
import { connect } from "node:net";
import { systemClock } from "../../../core/clock.ts";
import { ExecError } from "../../../core/exec.ts";
import { waitFor } from "../../../core/wait.ts";
import { parseKeyspace } from "../../../stores/redis/rdb-report.ts";
import type { Counts } from "../../../stores/store.ts";
import type { ExamineContext, RedisContent } from "./read-result.ts";

/** A Redis volume unpacked on this host. */
interface UnpackedRedis {
  readonly directory: string;
  /** The path of that directory in a container. */
  readonly inside: string;
  readonly image: string;
  readonly redis: RedisContent;
}

const SOCKET = "sk.sock";
const loadTimeoutMs = 600_000;

/**
 * Lets a server of an image load an unpacked volume without a network, and counts its keys. The server may change the
 * directory.
 *
 * @throws Error with the server's last output if it does not load the volume.
 */
export async function loadedCounts(
  { directory, inside, image, redis }: UnpackedRedis,
  { containers, signal }: Pick<ExamineContext, "containers" | "signal">,
): Promise<Counts> {
  // Through the directory's file descriptor: the path of a socket is limited to about 100 bytes.
  await using home = await open(directory, "r");
  const socket = `/proc/self/fd/${home.fd}/${SOCKET}`;
  const server = containers.runOnce(image, serverArguments(inside, redis), {
    mounts: [{ source: directory, target: inside, readOnly: false }],
    signal,
  });
  let said = "";
  server.stdout.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-8192);
  });
  let ended: unknown;
  const done = server.done.then(
    () => {
      ended ??= new Error("the server ended");
    },
    (error: unknown) => {
      ended = error;
    },
  );
  try {
    const look = async () => {
      if (ended !== undefined) throw withWords(ended, said);
      const answer = await ask(socket, "INFO keyspace\r\n").catch(() => "");
      return answer.startsWith("$") ? parseKeyspace(answer) : undefined;
    };
    const options = { clock: systemClock, timeoutMs: loadTimeoutMs, everyMs: 100, signal };
    const counts = await waitFor(look, options);
    if (counts === undefined) throw new Error("the server did not load it in 10 minutes");
    await ask(socket, "SHUTDOWN NOSAVE\r\n").catch(() => "");
    return counts;
  } finally {
    if (ended === undefined) server.kill();
    await done;
  }
}

function serverArguments(inside: string, { appendOnly, rdb }: RedisContent): string[] {
  const place = ["--dir", inside, "--port", "0", "--save", ""];
  const socket = ["--unixsocket", `${inside}/${SOCKET}`, "--unixsocketperm", "777"];
  const file = appendOnly
    ?.split("/")
    .at(-1)
    ?.replace(/\.manifest$/, "");
  const directory = appendOnly?.includes("/")
    ? appendOnly.slice(0, appendOnly.lastIndexOf("/"))
    : undefined;
  const content =
    file === undefined
      ? ["--appendonly", "no", "--dbfilename", rdb ?? "dump.rdb"]
      : [
          ...["--appendonly", "yes", "--appendfilename", file],
          ...(directory === undefined ? [] : ["--appenddirname", directory]),
        ];
  return ["redis-server", ...place, ...socket, ...content];
}

/** Sends one command over the server's socket and returns its first reply. */
function ask(path: string, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = "";
    socket.setEncoding("utf8").setTimeout(60_000, () => socket.destroy(new Error("no answer")));
    socket.once("connect", () => socket.write(question));
    socket.on("data", (part: string) => {
      text += part;
      if (isWhole(text)) socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(text));
  });
}

/** A line, or a text whose length is in its first line. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n");
  if (end < 0) return false;
  if (!text.startsWith("$")) return true;
  return text.length >= end + 2 + Number(text.slice(1, end)) + 2;
}

function withWords(error: unknown, said: string): Error {
  const lines = said.trim().split("\n").slice(-4).join("; ");
  if (error instanceof ExecError && error.stderr !== "") return error;
  return new Error(`the server does not load it: ${lines}`, { cause: error });
}
