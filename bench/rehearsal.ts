import { parseArgs } from "node:util";
import { backedUp, rehearse } from "../test/e2e/rehearse-lab.ts";
import { buildProgram } from "../test/lab/program.ts";
import { createStack } from "../test/lab/stack.ts";
import { goodVersions } from "../test/lab/versions.ts";
import { fill } from "./fill.ts";
import { machine } from "./measure.ts";

/**
 * What a reviewer waits for: the rehearsals of a first push, of a second one with another image, and of a third one that
 * leaves the images as they are, on the same backup of a Pro stack, and what each phase takes. `npm run bench -- rehearsal [--scale 1] [--soak 30s]`; scale 1 is 1 GB in the data directory
 * and 1 GB in PostgreSQL. Needs the lab: `npm run lab up`.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    soak: { type: "string", default: "30s" },
  },
});

interface Timed {
  readonly seconds: number;
  readonly timeline: {
    readonly phases: readonly { readonly phase: string; readonly seconds: number }[];
  };
}

await buildProgram();
await using stack = await createStack({ tier: "pro", name: "bench-rehearsal" });
await fill(stack, Number(values.scale));
await backedUp(stack);
const [one, other] = [
  await stack.publish(goodVersions["1.2.0"]),
  await stack.publish(goodVersions["1.2.0-words"]),
];
const pushes = [
  { name: "first", reference: one, more: [] },
  { name: "second, another image", reference: other, more: [] },
  // As the action has it in a pull request.
  { name: "second, the same image", reference: one, more: ["--reuse-rehearsal", "0"] },
];
console.log(`${machine(stack.dataDir)}; scale ${values.scale}; soak ${values.soak}`);
console.log("| push | seconds | of the first | phases |\n| --- | --- | --- | --- |");
let first: number | undefined;
for (const { name, reference, more } of pushes) {
  const { code, result, stderr } = await rehearse(stack, reference, "--soak", values.soak, ...more)
    .done;
  if (code !== 0) throw new Error(stderr);
  const { seconds, timeline } = result as unknown as Timed;
  first ??= seconds;
  const phases = timeline.phases.map((phase) => `${phase.phase} ${phase.seconds.toFixed(1)}`);
  const cells = [name, seconds.toFixed(1), (seconds / first).toFixed(2), phases.join(", ")];
  console.log(`| ${cells.join(" | ")} |`);
}
