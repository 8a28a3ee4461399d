import { exitCodes } from "../../core/errors.ts";
import type { Candidate, Rehearsal } from "../../model/rehearsal.ts";
import type { Reason } from "../../model/result.ts";
import { verdictOfCandidates } from "./candidates-verdict.ts";
import { outcomeIn } from "./outcome-in.ts";
import type { TrialDependencies } from "./trial.ts";
import { type Draft, type Outcome, type Subject, tryVersion, type Version } from "./try-version.ts";

/** After these the next candidate would end in the same way, or the live stack must be left alone. */
const final: readonly string[] = ["live-first", "disk", "control", "damaged", "unverifiable"];

/**
 * Tries several images of one service one after the other, each in a clone of its own. The backup is restored once: all
 * clones but the first are filled from its rollback copy.
 */
export async function tryCandidates(
  draft: Draft,
  versions: readonly Omit<Version, "id">[],
  subject: Subject,
  dependencies: TrialDependencies,
): Promise<Outcome> {
  const [service = "", references = []] = Object.entries(subject.options.candidates)[0] ?? [];
  const { clock, reporter } = dependencies;
  const candidates: Candidate[] = [];
  let ended: Reason | undefined;
  for (const [at, version] of versions.entries()) {
    const reference = references[at] ?? "";
    if (ended !== undefined) {
      const message = `it was not tried: ${ended.message}`;
      const reason = { ...ended, message };
      candidates.push({ service, reference, result: "unverifiable", reason, seconds: 0 });
      continue;
    }
    reporter.info(`candidate ${at + 1} of ${versions.length}: ${reference}`);
    const begunMs = clock.monotonicMs();
    const own: Draft = { facts: {}, checks: [], rehearsal: { ...draft.rehearsal } };
    const given = { ...version, id: `${subject.operationId}-${at + 1}` };
    const outcome = await outcomeIn(
      dependencies,
      async () =>
        Object.keys(version.images).length === 0
          ? { result: "unchanged" }
          : await tryVersion(own, given, subject, dependencies),
      [exitCodes.refused],
    );
    const seconds = (clock.monotonicMs() - begunMs) / 1000;
    candidates.push(candidateOf({ service, reference, seconds }, own, outcome));
    draft.checks = [
      ...draft.checks,
      ...own.checks.map((check) => ({ ...check, name: `${check.name} (${reference})` })),
    ];
    draft.rehearsal = together(draft.rehearsal, own.rehearsal);
    if (final.includes(outcome.reason?.class ?? "")) ended = outcome.reason;
  }
  draft.rehearsal = { ...draft.rehearsal, candidates };
  const from = versions.flatMap(({ images }) => images[service]?.from ?? [])[0];
  draft.facts = { ...draft.facts, ...(from === undefined ? {} : { from: { [service]: from } }) };
  return verdictOfCandidates(candidates);
}

function candidateOf(
  known: Pick<Candidate, "service" | "reference" | "seconds">,
  { facts, rehearsal }: Draft,
  { result, reason, lastLines }: Outcome,
): Candidate {
  const { upgrade, schema, rows, requires, newLogTemplates, imageBytes } = rehearsal;
  const { rollBack, prediction, record } = rehearsal;
  const digest = facts.services?.find(({ service }) => service === known.service)?.toDigest;
  const all = {
    ...{ upgrade, schema, rows, requires, newLogTemplates, imageBytes },
    ...{ rollBack, prediction, record, reason, digest, lastLines },
  };
  const present = Object.entries(all).filter(([, value]) => value !== undefined);
  return {
    ...known,
    result: result as Candidate["result"],
    ...(Object.fromEntries(present) as Partial<Candidate>),
  };
}

/** What is not of one candidate: the control, what the clones omit, the peaks, the live stack. Pure. */
function together(all: Rehearsal, one: Rehearsal): Rehearsal {
  const { control = all.control, omitted = all.omitted } = one;
  const peak = (name: "memoryPeakBytes" | "diskPeakBytes") => {
    const most = Math.max(all[name] ?? 0, one[name] ?? 0);
    return most === 0 ? {} : { [name]: most };
  };
  const live = [all.live, one.live].filter((part) => part !== undefined);
  const [first, last = first] = live;
  const sum = (name: "probes" | "lost") => live.reduce((n, part) => n + part[name], 0);
  const out = [all.packetsOut, one.packetsOut].filter((packets) => packets !== undefined);
  return {
    ...all,
    ...(control === undefined ? {} : { control }),
    ...(omitted === undefined ? {} : { omitted }),
    ...peak("memoryPeakBytes"),
    ...peak("diskPeakBytes"),
    ...(out.length === 0 ? {} : { packetsOut: out.reduce((n, packets) => n + packets, 0) }),
    ...(last === undefined ? {} : { live: { ...last, probes: sum("probes"), lost: sum("lost") } }),
  };
}
