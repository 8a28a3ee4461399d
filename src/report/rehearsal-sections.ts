import { formatBytes, formatSeconds } from "../core/format.ts";
import type { Candidate, Rehearsal } from "../model/rehearsal.ts";
import type { Result } from "../model/result.ts";

/** A piece of a line: our own words, or text from an image, a log or a database. */
export type Part = string | { readonly code: string };

/** What a reviewer reads about one question. */
export interface Section {
  readonly title: string;
  readonly lines: readonly (readonly Part[])[];
  /** Shown instead of the lines where there are tables. The lines say the same. */
  readonly table?: {
    readonly head: readonly string[];
    readonly rows: readonly (readonly Part[][])[];
  };
}

/** The title of what a version drops. */
export const droppedTitle = "Dropped";

/** What a rehearsal found out, in the order in which a reviewer asks. Sections without an answer are absent. */
export function rehearsalSections(result: Result): Section[] {
  const { rehearsal } = result;
  if (rehearsal === undefined) return [];
  const own: Section[] = [
    { title: "On your data", lines: works(result, rehearsal) },
    { title: "Rollback", lines: rollBack(result, rehearsal) },
    { title: "Downtime", lines: downtime(rehearsal) },
    { title: droppedTitle, lines: dropped(rehearsal) },
    { title: "Migrations", lines: migrations(rehearsal) },
    { title: "Schema", lines: schema(rehearsal) },
    { title: "Rows", lines: rows(rehearsal) },
    { title: "Newly required", lines: required(rehearsal) },
    { title: "Definition", lines: definition(rehearsal) },
    { title: "New in the log", lines: complaints(rehearsal) },
    { title: "Size", lines: size(rehearsal) },
    ...candidates(rehearsal),
    { title: "Live stack", lines: liveStack(rehearsal) },
    { title: "Not in the clone", lines: (rehearsal.omitted ?? []).map((line) => [code(line)]) },
  ];
  return own.filter(({ lines }) => lines.length > 0);
}

/** Which of several images work, as one table. Empty without `candidates`. */
export function candidates({ candidates: all = [] }: Rehearsal): Section[] {
  if (all.length === 0) return [];
  const rows = all.map(candidateRow);
  const head = ["image", "result", "downtime", "migrations", "dropped", "the old image alone"];
  const lines = rows.map((cells) =>
    cells.flatMap((cell, at) => {
      if (cell.length === 0) return [];
      const name = at < 2 ? "" : `${head[at]} `;
      return [...(at === 0 ? [] : [at === 1 ? ": " : ", "]), name, ...cell];
    }),
  );
  return [{ title: "Candidates", lines, table: { head, rows } }];
}

function candidateRow(one: Candidate): Part[][] {
  const { reference, result, reason, prediction, upgrade, schema: changes = [], rollBack } = one;
  const values = changes.flatMap(({ dropped: gone }) => gone.map((column) => column.values));
  const lost = values.reduce((sum, n) => sum + n, 0);
  const alone = { works: ["works"], fails: ["fails"] };
  return [
    [code(reference)],
    reason === undefined ? [result] : [`${result} `, code(reason.class)],
    prediction === undefined
      ? []
      : [
          `${formatSeconds(prediction.downtimeSeconds)} (${formatSeconds(prediction.low)} to ${formatSeconds(prediction.high)})`,
        ],
    upgrade === undefined ? [] : [String(upgrade.migrations.length)],
    upgrade === undefined ? [] : [values.length === 0 ? "nothing" : `${lost} values`],
    rollBack?.inPlace === undefined ? [] : alone[rollBack.inPlace],
  ];
}

const most = 50;

function code(text: string): Part {
  return { code: text };
}

function works(result: Result, rehearsal: Rehearsal) {
  const { control, upgrade, backupAgeSeconds, source, candidates: many } = rehearsal;
  const lines: Part[][] = [
    ["backup ", code(source), `, ${formatSeconds(backupAgeSeconds)} old at the time`],
  ];
  if (control !== undefined) {
    lines.push([
      `the old version was healthy on it after ${formatSeconds(control.healthySeconds)}`,
    ]);
  }
  if (upgrade !== undefined) {
    const { healthySeconds, secondStartSeconds } = upgrade;
    lines.push([`the new version was healthy after ${formatSeconds(healthySeconds)}`]);
    if (secondStartSeconds !== undefined) {
      lines.push([`its second start took ${formatSeconds(secondStartSeconds)}`]);
    }
  } else if (result.result === "failed" && many === undefined)
    lines.push(["the new version did not become good on it"]);
  return lines;
}

function rollBack({ checks = [] }: Result, { rollBack: back }: Rehearsal): Part[][] {
  if (back === undefined) return [];
  const after = checks.filter(({ name }) => name.endsWith(" after"));
  const isProven = after.length > 0 && after.every(({ status }) => status === "pass");
  const seconds = formatSeconds(back.seconds);
  const proven = isProven
    ? `proven: images and data were put back in ${seconds}, every count is equal`
    : `not proven: after ${seconds} something was not as before, see the checks`;
  const alone = {
    works: "the old image also runs on the migrated data",
    fails: "the old image alone does not run on the migrated data: a rollback needs the data, too",
  };
  return [[proven], ...(back.inPlace === undefined ? [] : [[alone[back.inPlace]]])];
}

function downtime({ prediction }: Rehearsal): Part[][] {
  if (prediction === undefined) return [];
  const { downtimeSeconds, low, high, gateTimeoutSeconds, basis } = prediction;
  const [about, from, to] = [downtimeSeconds, low, high].map(formatSeconds);
  return [
    [`about ${about} (${from} to ${to}) for the live upgrade`],
    [`health-timeout for it: ${gateTimeoutSeconds}s`],
    [`made of: ${basis.join("; ")}`],
  ];
}

function dropped({ schema: changes = [] }: Rehearsal): Part[][] {
  return shortened(
    changes.flatMap(({ database, dropped: all }) =>
      all.map(({ what, name, values }) => [
        ...[`${what} `, code(name), " of ", code(database)],
        what === "table" ? ` with ${values} rows` : ` with ${values} values`,
      ]),
    ),
  );
}

function migrations({ upgrade }: Rehearsal): Part[][] {
  const { migrations: all = [], migrationSeconds } = upgrade ?? {};
  if (upgrade === undefined) return [];
  if (all.length === 0) return [["none"]];
  const took = migrationSeconds === undefined ? "" : `, about ${formatSeconds(migrationSeconds)}`;
  return [
    [`${all.length}${took}`],
    ...shortened(
      all.map(({ database, id, seconds }) => [
        ...[code(id), " in ", code(database)],
        ...(seconds === undefined ? [] : [`, ${formatSeconds(seconds)}`]),
      ]),
    ),
  ];
}

function schema({ schema: changes = [] }: Rehearsal): Part[][] {
  return changes.flatMap(({ database, added, changed }) => [
    ...shortened(added.map((name) => ["added ", code(name), " in ", code(database)])),
    ...shortened(changed.map((name) => ["changed ", code(name), " in ", code(database)])),
  ]);
}

function rows({ rows: changes = [] }: Rehearsal): Part[][] {
  return shortened(
    changes.map(({ table, before, after }) => [code(table), `: ${before} before, ${after} after`]),
  );
}

function required({ requires }: Rehearsal): Part[][] {
  const { environment = [], volumes = [] } = requires ?? {};
  return shortened([
    ...environment.map((name) => ["variable ", code(name), ", which the definition does not set"]),
    ...volumes.map((path) => ["volume ", code(path), ", where the definition mounts nothing"]),
  ]);
}

function definition({ differences = [] }: Rehearsal): Part[][] {
  return shortened(differences.map((line) => ["rehearsed, too: ", code(line)]));
}

function complaints({ newLogTemplates = [] }: Rehearsal): Part[][] {
  return shortened(newLogTemplates.map((line) => [code(line)]));
}

function size({ imageBytes, memoryPeakBytes, diskPeakBytes }: Rehearsal): Part[][] {
  const peak = (what: string, bytes: unknown): Part[][] =>
    typeof bytes === "number" ? [[`${what} of the clone at most ${formatBytes(bytes)}`]] : [];
  const images: Part[][] =
    imageBytes === undefined
      ? []
      : [[`images ${formatBytes(imageBytes.from)} before, ${formatBytes(imageBytes.to)} after`]];
  return [...images, ...peak("memory", memoryPeakBytes), ...peak("data", diskPeakBytes)];
}

function liveStack({ live, packetsOut }: Rehearsal): Part[][] {
  const out: Part[][] =
    packetsOut === undefined ? [] : [[`packets out of the clone: ${packetsOut}`]];
  if (live === undefined) return out;
  const { probes, lost, p95BeforeMs, p95DuringMs } = live;
  const well = lost === 0 ? "always" : `${probes - lost} times`;
  const looks: Part[] = [`looked at ${probes} times, ${well} well; probes lost: ${lost}`];
  if (p95BeforeMs === undefined || p95DuringMs === undefined) return [looks, ...out];
  const [before, during] = [p95BeforeMs, p95DuringMs].map(Math.round);
  const times = `95 % of its answers came within ${before} ms before, ${during} ms meanwhile`;
  return [looks, [times], ...out];
}

function shortened(lines: readonly Part[][]): Part[][] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), [`and ${lines.length - most} more`]];
}

/** A line without markup. */
export function plainLine(parts: readonly Part[]): string {
  return parts.map((part) => (typeof part === "string" ? part : part.code)).join("");
}
