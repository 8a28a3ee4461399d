import { formatSeconds } from "../core/format.ts";
import type { Result } from "../model/result.ts";
import {
  candidatesMarkdown,
  inert,
  inlineCode,
  lossesMarkdown,
  rehearsalMarkdown,
} from "./rehearsal-markdown.ts";
import { headline, isGood } from "./verdict-text.ts";

/** How much a comment tells: everything, or verdict and times. */
type CommentDetail = "full" | "verdict";

/** What a comment needs besides the result. */
interface CommentFacts {
  readonly project: string;
  readonly detail: CommentDetail;
  /** The commit that was rehearsed. */
  readonly head: string;
  /** Address of the run with the whole report. */
  readonly runUrl: string | undefined;
  readonly at: Date;
  /** The body of the comment before, which knows the earlier heads. */
  readonly before: string | undefined;
}

/** GitHub accepts 65,536 characters. */
const commentLimit = 60_000;

const mostHeads = 5;

/** The marker by which the comment of a project is found. It is invisible. */
export function commentMarker(project: string): string {
  return `<!-- sophon-keeper rehearsal ${encodeURIComponent(project).replaceAll("-", "%2D")} -->`;
}

/**
 * The comment on a pull request: verdict first, details folded, the last heads one line each. Text from images, logs
 * and tags is code. The result must already be masked.
 */
export function commentBody(result: Result, facts: CommentFacts): string {
  const { project, detail, head, runUrl, at, before } = facts;
  const sign = isGood(result) ? "✅" : result.result === "unverifiable" ? "❔" : "❌";
  const heads = [headLine(result, head, at), ...earlierHeads(before, head)].slice(0, mostHeads);
  const parts = [
    commentMarker(project),
    `### ${sign} ${inert(headline(result, "rehearsal"))}`,
    [`project ${inlineCode(project)}`, ...timesOf(result)].join(" · "),
    images(result),
    detail === "full" ? lossesMarkdown(result) : "",
    candidatesMarkdown(result),
    reason(result, detail),
  ];
  const end = [
    runUrl === undefined ? "" : `[Whole report](${runUrl})`,
    ["<details><summary>Rehearsed heads</summary>", "", ...heads, "", "</details>"].join("\n"),
  ];
  const details = detail === "full" ? folded(result) : "";
  const whole = joined([...parts, details, ...end]);
  if (whole.length <= commentLimit) return whole;
  const short = joined([
    ...parts,
    "The details are too long for a comment: see the report.",
    ...end,
  ]);
  return short.length <= commentLimit ? short : joined([...parts.slice(0, 3), ...end]);
}

function joined(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function timesOf(result: Result): string[] {
  const { prediction } = result.rehearsal ?? {};
  const expected =
    prediction === undefined
      ? []
      : [
          `expected downtime ${formatSeconds(prediction.downtimeSeconds)} (${formatSeconds(prediction.low)} to ${formatSeconds(prediction.high)})`,
        ];
  return [...expected, `rehearsed in ${formatSeconds(result.seconds)}`];
}

function images({ from = {}, to = {} }: Result): string {
  return Object.entries(to)
    .map(([service, image]) => {
      const old = from[service] === undefined ? "" : `${inlineCode(from[service])} → `;
      return `- ${inlineCode(service)}: ${old}${inlineCode(image)}`;
    })
    .join("\n");
}

function reason({ reason: why }: Result, detail: CommentDetail): string {
  if (why === undefined) return "";
  const kind = `class ${inlineCode(why.class)}`;
  if (detail === "verdict") return kind;
  const evidence = why.evidence === undefined ? "" : `\n\n${inlineCode(why.evidence)}`;
  const hint = why.hint === undefined ? "" : `\n\n${inert(why.hint)}`;
  return `${kind}: ${inlineCode(why.message)}${evidence}${hint}`;
}

function folded(result: Result): string {
  const sections = rehearsalMarkdown(result, false);
  const bad = (result.checks ?? []).filter(({ status }) => status !== "pass");
  const checks = bad.map(
    ({ name, component = "", status, detail }) =>
      `- ${status} ${inlineCode(`${name} ${component}`)}: ${inlineCode(detail)}`,
  );
  const unknown = (result.unknown ?? []).map((line) => `- ${inlineCode(line)}`);
  const told = [
    ...titled("Checks", checks),
    sections,
    // What files that were made by hand do not tell.
    ...titled("Not known", unknown),
  ];
  if (told.every((part) => part === "")) return "";
  return ["<details><summary>Details</summary>", ...told, "</details>"]
    .filter((part) => part !== "")
    .join("\n\n");
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`**${title}**`, lines.join("\n")];
}

const headPattern = /^- `[0-9a-f]{7,12}` [a-z-]+, \d{4}-\d\d-\d\d \d\d:\d\d UTC, [\w .]+$/;

function headLine(result: Result, head: string, at: Date): string {
  const when = at.toISOString().slice(0, 16).replace("T", " ");
  return `- \`${head.slice(0, 12)}\` ${result.result}, ${when} UTC, ${formatSeconds(result.seconds)}`;
}

/** Only lines of exactly this form are taken over: somebody may have edited the comment. */
function earlierHeads(before: string | undefined, head: string): string[] {
  const lines = (before ?? "").split("\n").filter((line) => headPattern.test(line));
  return lines.filter((line) => !line.startsWith(`- \`${head.slice(0, 12)}\``));
}
