import { spawnSync } from "node:child_process";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { delayLeft, transferCommand } from "../../src/stores/redis/transfer.ts";

/** A `redis-cli` whose server keeps the delay in a file, and refuses the next `refusals` attempts to set it back. */
const client = (directory: string) => `#!/bin/sh
cd ${directory}
case "$*" in
  *"CONFIG GET"*) echo repl-diskless-sync-delay; cat delay ;;
  *"CONFIG SET"*" 0") echo 0 > delay; echo OK ;;
  *"CONFIG SET"*)
    left=$(cat refusals)
    if [ "$left" -gt 0 ]; then echo $((left - 1)) > refusals; echo "ERR refused"; exit 0; fi
    for last; do :; done; echo "$last" > delay; echo OK ;;
  *--rdb*) echo "SYNC sent to master" >&2; printf RDB; echo "Transfer finished with success." >&2 ;;
esac
`;

async function transfer(refusals: number) {
  await using directory = await temporaryDirectory("sk-redis-cli-");
  const at = (name: string) => join(directory.path, name);
  await writeFile(at("redis-cli"), client(directory.path));
  await chmod(at("redis-cli"), 0o755);
  // Its waits between attempts are of no interest here.
  await writeFile(at("sleep"), "#!/bin/sh\n");
  await chmod(at("sleep"), 0o755);
  await writeFile(at("delay"), "7\n");
  await writeFile(at("refusals"), String(refusals));
  const [program = "", ...args] = transferCommand(["redis-cli", "-p", "6379"]);
  const env = { PATH: `${directory.path}:${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: "utf8" });
  const delay = (await readFile(at("delay"), "utf8")).trim();
  return { status, stdout, left: delayLeft(stderr), delay };
}

it.each([
  [0, "7", undefined],
  // At the beginning of the transfer, and twice at its end.
  [3, "7", undefined],
  [100, "0", 7],
])("after %d refusals the delay is %s and what is left is told", async (refusals, delay, left) => {
  const expected = { status: 0, stdout: "RDB", delay, left };
  expect(await transfer(refusals)).toEqual(expected);
});
