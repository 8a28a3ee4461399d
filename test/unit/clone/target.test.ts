import { expect, it } from "vitest";
import type { ContainerState } from "../../../src/model/stack.ts";
import { CloneProber } from "../../../src/operations/clone/clone-prober.ts";
import { cloneTarget } from "../../../src/operations/clone/clone-target.ts";
import type { Expectation } from "../../../src/operations/clone/expectations.ts";
import type { HealthAnswer, ServerQuestion } from "../../../src/stack/health.ts";

function container(
  service: string,
  networks: readonly string[],
  more: Partial<ContainerState> = {},
) {
  const addresses = Object.fromEntries(networks.map((name) => [name, `${service}.${name}`]));
  const state = { state: "running", health: "none", exitCode: 0, restartCount: 0, startedAt: "t" };
  return { id: `id-${service}`, service, addresses, ...state, ...more } as ContainerState;
}

const serves: Expectation = {
  ends: "never",
  ports: [80],
  needs: "any",
  path: "/",
  wants: "answer",
};

/** A clone of these containers, whose servers answer as told; `asked` holds from where, and where to. */
function clone(
  containers: ContainerState[],
  answer: (question: ServerQuestion) => HealthAnswer,
  expected: Partial<Expectation> = {},
) {
  const asked: string[] = [];
  const opened: (string | undefined)[] = [];
  const tasks = {
    open: async (_responder: unknown, { networkOf }: { readonly networkOf?: string }) => {
      opened.push(networkOf);
      return {
        ask: async (question: ServerQuestion) => {
          asked.push(`${networkOf} to ${question.address ?? "itself"}`);
          return answer(question);
        },
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  };
  const { signal } = new AbortController();
  const target = cloneTarget({
    scratch: { containers: async () => [...containers], log: async () => "" },
    expectations: new Map(containers.map(({ service }) => [service, { ...serves, ...expected }])),
    prober: new CloneProber(
      tasks as unknown as ConstructorParameters<typeof CloneProber>[0],
      signal,
    ),
    schema: async () => undefined,
  });
  const look = async () => {
    const answers: (HealthAnswer | undefined)[] = [];
    for (const one of await target.containers()) answers.push(await target.probe(one));
    return answers;
  };
  return { asked, opened, look };
}

const good: HealthAnswer = { healthy: true, status: 200, detail: "" };

it("asks all servers from the network of one, and of another only what that cannot reach", async () => {
  const three = [container("a", ["x"]), container("b", ["x", "y"]), container("c", ["z"])];
  const { asked, look } = clone(three, () => good);
  await look();
  await look();
  const once = ["id-a to itself", "id-a to b.x", "id-c to itself"];
  expect(asked).toEqual([...once, ...once]);
});

it("leaves one alone whose image checks itself, but asks for success beside it", async () => {
  const checked = [container("a", ["x"], { health: "healthy" })];
  const quiet = clone(checked, () => good);
  expect(await quiet.look()).toEqual([undefined]);
  const gateway = clone(checked, () => ({ ...good, healthy: false, status: 503 }), {
    wants: "success",
  });
  expect(await gateway.look()).toMatchObject([{ healthy: false, status: 503 }]);
});

it("asks a server of another protocol only until it has accepted a connection", async () => {
  const accepts = { healthy: true, status: 0, detail: "accepts connections" };
  const refuses = { healthy: false, status: 0, detail: "ECONNREFUSED" };
  const script: HealthAnswer[] = [refuses];
  const { asked, look } = clone([container("a", ["x"])], () => script.shift() ?? accepts);
  expect(await look()).toMatchObject([
    { healthy: false, detail: "nothing on port 80 (ECONNREFUSED)" },
  ]);
  for (let at = 0; at < 3; at += 1) expect(await look()).toEqual([accepts]);
  expect(asked).toHaveLength(2);
});

it("wants an answer on each port where each is one of the live server's", async () => {
  const half = ({ port }: ServerQuestion) =>
    port === 80 ? good : { ...good, healthy: false, status: 0 };
  const two = (needs: Expectation["needs"]) =>
    clone([container("a", ["x"])], half, { ports: [80, 81], needs }).look();
  expect(await two("all")).toMatchObject([{ healthy: false }]);
  expect(await two("any")).toMatchObject([{ healthy: true }]);
});

it("asks from inside the new network of a server that was started again, and again of each protocol", async () => {
  const accepts = { healthy: true, status: 0, detail: "accepts connections" };
  const containers = [container("a", ["x"]), container("b", ["x"])];
  const { asked, look, opened } = clone(containers, () => accepts);
  await look();
  containers[0] = container("a", ["x"], { startedAt: "later" });
  await look();
  expect(asked).toEqual(["id-a to itself", "id-a to b.x", "id-a to itself"]);
  expect(opened).toEqual(["id-a", "id-a"]);
});
