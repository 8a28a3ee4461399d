import { ExecError } from "../../core/exec.ts";
import type { RabbitmqStore } from "../../model/stack.ts";
import type { StoreContext } from "../store.ts";
import type { QueueRow } from "./counts.ts";

/** The state that a broker reported at one moment. */
export interface BrokerLook {
  /** In the format of `rabbitmqctl export_definitions`. */
  readonly definitions: string;
  readonly queues: readonly QueueRow[];
  /** After this time a queue that is `late` reports its current length. */
  readonly tickMs: number;
}

/** By default a quorum queue or stream reports its length every five seconds. */
const defaultTickMs = 5_000;
const timeoutSeconds = 60;
/** The wait for a starting broker happens inside it: repeated calls of the tools would take its CPU time. */
const startupMs = 30_000;
/** `EX_UNAVAILABLE`: the node does not answer. */
const nodeDown = 69;
/** `EX_TEMPFAIL`: the node did not answer in time. */
const timedOut = 75;

/**
 * Runs inside the broker and prints definitions and queues in one line. The leader of a quorum queue reports its
 * length; if that fails, the row is `late`. Base64 is independent of the locale of the tools.
 */
const lookScript = `
Keys = [name, type, durable, exclusive, messages, messages_persistent],
Exact = fun(Name) ->
  {ok, Queue} = rabbit_amqqueue:lookup(Name),
  {ok, {_, Count}, _} = ra:leader_query(amqqueue:get_pid(Queue), fun rabbit_fifo:query_messages_total/1),
  true = is_integer(Count),
  Count
end,
Row = fun(Info) ->
  Name = proplists:get_value(name, Info),
  Told = [{vhost, element(2, Name)}, {name, element(4, Name)} | lists:keydelete(name, 1, Info)],
  Counted = case lists:member(proplists:get_value(type, Info), [classic, <<"classic">>]) of
    true -> Told;
    false -> try lists:keystore(messages, 1, Told, {messages, Exact(Name)}) catch _:_ -> [{late, true} | Told] end
  end,
  maps:from_list(Counted)
end,
Look = fun() ->
  Queues = [Row(Info) || Host <- rabbit_vhost:list_names(), Info <- rabbit_amqqueue:info_all(Host, Keys)],
  Ticks = [application:get_env(rabbit, Tick, ${defaultTickMs}) || Tick <- [quorum_tick_interval, stream_tick_interval]],
  #{definitions => rabbit_definitions:all_definitions(), queues => Queues, tickMs => lists:max(Ticks)}
end,
_ = rabbit:is_running() orelse (catch rabbit:await_startup(node(), false, ${startupMs})),
Told = case rabbit:is_running() of true -> Look(); false -> #{starting => true} end,
io:format("~s~n", [base64:encode(iolist_to_binary(rabbit_json:encode(Told)))]).
`;

/**
 * Reads a broker's definitions and queues with one `rabbitmqctl`, because each call starts an Erlang VM, which takes a
 * second or more. If the broker does not support the script, a separate command reads each part.
 *
 * @throws ExecError when the broker does not answer.
 */
export async function lookAtBroker(
  store: RabbitmqStore,
  context: StoreContext,
): Promise<BrokerLook> {
  const { containers, signal } = context;
  const argv = ["rabbitmqctl", "-q", "--timeout", String(timeoutSeconds), "eval", lookScript];
  let stdout: string;
  try {
    ({ stdout } = await containers.exec(store.containerId, argv, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ExecError) || error.exitCode === nodeDown) throw error;
    context.reporter.debug(`${store.service}: reading each part separately: ${error.message}`);
    return await lookByParts(store, context);
  }
  return parseLook(stdout);
}

/** Whether a command of the tools failed only because the node is not up, or not yet. */
export function isNotUp(error: unknown): boolean {
  return error instanceof ExecError && [nodeDown, timedOut].includes(error.exitCode ?? 0);
}

/** @throws Error when the broker is still starting. */
function parseLook(stdout: string): BrokerLook {
  const [line = ""] = stdout.split("\n");
  const told = JSON.parse(Buffer.from(line, "base64").toString("utf8")) as
    | { readonly starting: true }
    | {
        readonly definitions: Readonly<Record<string, unknown>>;
        readonly queues: readonly QueueRow[];
        readonly tickMs: number;
      };
  if ("starting" in told) throw new Error("the broker is still starting");
  const { definitions, queues, tickMs } = told;
  if (!Array.isArray(queues) || !Array.isArray(definitions.users)) {
    throw new Error("the broker did not return its queues and users");
  }
  return { definitions: JSON.stringify(definitions), queues, tickMs };
}

async function lookByParts(store: RabbitmqStore, context: StoreContext): Promise<BrokerLook> {
  const { containers, signal } = context;
  const ctl = async (...words: string[]) =>
    (await containers.exec(store.containerId, ["rabbitmqctl", "-q", ...words], { signal })).stdout;
  const definitions = await ctl("export_definitions", "-", "--format", "json");
  JSON.parse(definitions);
  const json = ["--formatter", "json"];
  const vhosts = JSON.parse(await ctl("list_vhosts", "name", ...json)) as { name: string }[];
  const columns = ["name", "type", "durable", "exclusive", "messages", "messages_persistent"];
  const queues: QueueRow[] = [];
  for (const { name: vhost } of vhosts) {
    const text = await ctl("list_queues", "-p", vhost, ...columns, ...json);
    const rows = JSON.parse(text) as Omit<QueueRow, "vhost" | "late">[];
    queues.push(...rows.map((row) => ({ ...row, vhost, late: row.type !== "classic" })));
  }
  return { definitions, queues, tickMs: defaultTickMs };
}
