import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exhaustive } from "../lab/matrix.ts";
import { createStack } from "../lab/stack.ts";
import { backedUp, succeed } from "./support/restored.ts";
import { stateOf } from "./support/state.ts";

it(
  "a broker of another name, and a backup without its messages, are refused while everything still runs",
  exhaustive,
  async () => {
    await using stack = await createStack({ tier: "enterprise", name: "rb" });
    const on = await backedUp(stack);
    const { backupId } = await succeed(on, "backed-up", "backup");
    const path = join(stack.directory, "docker-compose.yml");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace("hostname: sophon-rabbitmq", "hostname: another"));
    await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "240"]);
    let states = await stateOf(stack);
    for (const more of [["--dry-run"], []]) {
      const other = await succeed(on, "refused", "restore", "--backup", backupId, ...more);
      expect(other.reason).toMatchObject({
        class: "broker-node",
        message: expect.stringContaining(
          "node rabbit@sophon-rabbitmq, but this node is rabbit@another",
        ),
        hint: expect.stringContaining("hostname: sophon-rabbitmq"),
      });
      expect(await stateOf(stack)).toEqual(states);
    }

    await writeFile(path, text);
    await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "240"]);
    await succeed(on, "backed-up", "backup", "--rabbitmq-messages", "none");
    states = await stateOf(stack);
    const without = await succeed(on, "refused", "restore");
    expect(without.reason.class).toBe("definitions-only");
    expect(await stateOf(stack)).toEqual(states);
  },
);
