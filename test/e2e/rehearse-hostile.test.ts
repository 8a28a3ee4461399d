import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Result } from "../../src/model/result.ts";
import { commentBody } from "../../src/report/comment.ts";
import { summaryMarkdown } from "../../src/report/markdown.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { goodVersions } from "../lab/versions.ts";
import { backedUp, clonesOf, rehearse } from "./rehearse-lab.ts";
import { publishHostile, watchPackets } from "./support/hostile-image.ts";
import { expectAsBefore, look } from "./upgrade-lab.ts";

/** Every piece of a secret that is long enough to be no chance, in clear, base64 and hex. Words need more letters than bytes. */
function piecesOf(secret: Buffer): string[] {
  const clear = /^[\x20-\x7e]*$/.test(secret.toString("latin1")) ? 16 : 6;
  const pieces: string[] = [];
  const hex = secret.toString("hex");
  for (let at = 0; at + 12 <= hex.length; at += 1) pieces.push(hex.slice(at, at + 12));
  const base64 = secret.toString("base64").replace(/=+$/, "");
  for (let at = 0; at + 9 <= base64.length; at += 1) pieces.push(base64.slice(at, at + 9));
  for (let at = 0; at + clear <= secret.length; at += 1) {
    pieces.push(secret.subarray(at, at + clear).toString("utf8"));
  }
  return pieces;
}

it(
  "of a hostile image: no packet leaves the clone, and no byte of a secret is in any report",
  exhaustive,
  async () => {
    await using stack = await createStack({ tier: "personal", name: "rehearse-hostile" });
    await backedUp(stack);
    const before = await look(stack);
    const good = await stack.publish(goodVersions["1.2.0"]);

    // Outside of a clone the image is heard and seen: the test would notice it.
    {
      await using watcher = await watchPackets();
      const reference = await publishHostile(stack, good, watcher.environment);
      const script = ["python3", "/hostile.py"];
      await run(["docker", "run", "--rm", reference, ...script]);
      expect(await watcher.packets()).toBeGreaterThan(0);
    }

    await using watcher = await watchPackets();
    const reference = await publishHostile(stack, good, watcher.environment);
    const report = join(stack.scratch, "report.html");
    const running = rehearse(stack, reference, "--report-path", report);
    const { code, result, stderr } = await running.done;
    expect(code, stderr).toBe(0);
    expect(watcher.reached()).toBe(0);
    expect(await watcher.packets()).toBe(0);

    const told = result as unknown as Result;
    expect(told.rehearsal?.packetsOut).toBe(0);
    expect(told.rehearsal?.newLogTemplates?.join("\n")).toContain("said: ***");
    expect(told.rehearsal?.requires?.environment).toContain("KEEPER_TEST_PORT");
    const facts = { project: "app", head: "0".repeat(40), runUrl: undefined, before: undefined };
    const texts = {
      log: stderr,
      result: JSON.stringify(result),
      summary: summaryMarkdown(told, "upgrade-test"),
      comment: commentBody(told, { ...facts, detail: "full", at: new Date() }),
      report: await readFile(report, "utf8"),
      record: await readFile(String(told.rehearsal?.record), "utf8"),
    };
    const secrets = [
      await readFile(join(stack.dataDir, "security/vault.key")),
      ...stack.secrets.filter((one) => one.length >= 16).map((one) => Buffer.from(one)),
    ];
    const leaks = Object.entries(texts).flatMap(([name, text]) =>
      secrets.flatMap((secret, at) =>
        piecesOf(secret)
          .filter((piece) => text.includes(piece))
          .map((piece) => `${name}: ${piece} of secret ${at}`),
      ),
    );
    expect(leaks).toEqual([]);
    expect(await clonesOf(stack)).toEqual([]);
    await expectAsBefore(stack, before, "hostile");
  },
);
