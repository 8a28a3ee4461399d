import type { LabStack } from "../../test/lab/lab-stack.ts";
import { run } from "../../test/lab/run.ts";

/** What the tools themselves take on a stack: nobody is faster with the same tools. */
export async function toolMinima(stack: LabStack): Promise<[string, number][]> {
  const ids = {
    postgres: await stack.containerId("postgres"),
    redis: await stack.containerId("redis"),
    rabbitmq: await stack.containerId("rabbitmq"),
  };
  const inside = (id: string, command: string) => run(["docker", "exec", id, "sh", "-c", command]);
  const all: [string, () => Promise<unknown>][] = [
    ["`docker exec` of `true`", () => inside(ids.postgres, "true")],
    ["`docker run` of `true`", () => runOnce(stack)],
    [
      "`pg_dump` of both databases",
      () =>
        inside(
          ids.postgres,
          "for d in sophon sophon_analytics; do pg_dump -U sophon -Fc $d > /dev/null; done",
        ),
    ],
    ["`redis-cli --rdb`", () => inside(ids.redis, "redis-cli --rdb - > /dev/null")],
    ["one `rabbitmqctl`", () => inside(ids.rabbitmq, "rabbitmqctl -q list_queues name messages")],
    ["`docker compose config`", () => stack.compose(["config", "--quiet"])],
    ["`docker compose stop`", () => stack.compose(["stop"])],
    ["`docker compose up --wait` of what was stopped", () => stack.compose(["up", "--wait"])],
  ];
  const measured: [string, number][] = [];
  for (const [name, work] of all) {
    const begun = performance.now();
    await work();
    measured.push([name, (performance.now() - begun) / 1000]);
  }
  return measured;
}

async function runOnce(stack: LabStack): Promise<void> {
  const image = (
    await run(["docker", "inspect", "--format", "{{.Image}}", await stack.containerId("redis")])
  ).trim();
  const args = ["--rm", "--network", "none", "--pull", "never", "--entrypoint", "true"];
  await run(["docker", "run", ...args, image]);
}
