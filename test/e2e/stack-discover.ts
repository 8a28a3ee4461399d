import { join } from "node:path";
import { silentReporter } from "../../src/core/reporter.ts";
import { createTaskRunner } from "../../src/helper/runner.ts";
import type { Stack } from "../../src/model/stack.ts";
import { createContainers, throwAwayRemover } from "../../src/stack/containers.ts";
import { discover } from "../../src/stack/discovery.ts";
import { connect } from "../../src/stack/engine.ts";

/** Discovery with everything real, as the command line does it. */
export async function discoverReal(options: Parameters<typeof discover>[0]): Promise<Stack> {
  const engine = await connect();
  const operationId = `op-test-${process.pid}`;
  const tasks = createTaskRunner({
    environment: engine.environment,
    operationId,
    entry: {
      script: join(import.meta.dirname, "helper-entry.ts"),
      directories: [join(import.meta.dirname, "../..")],
    },
    reporter: silentReporter,
    remove: throwAwayRemover(engine),
  });
  const containers = createContainers(engine, operationId);
  return await discover(options, { engine, containers, tasks });
}

// Started as a program of its own (by another user) it prints what it found.
if (import.meta.main) {
  const options = JSON.parse(process.argv[2] ?? "{}") as Parameters<typeof discover>[0];
  console.log(JSON.stringify(await discoverReal(options)));
}
