import type { LastRun } from "./last-runs.ts";

/** One metric: its samples come from the newest runs. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly of: (run: LastRun) => number | undefined;
  readonly labels?: (run: LastRun) => Readonly<Record<string, string>>;
}

const secondsOf = (time: string | undefined) =>
  time === undefined ? undefined : Math.floor(Date.parse(time) / 1000);
const isBackup = ({ command }: LastRun) => command === "backup";

/** All are gauges. Ages are left to the reader: `time() - …_timestamp_seconds` stays true between two runs. */
const metrics: readonly Metric[] = [
  {
    name: "run_timestamp_seconds",
    help: "When the newest run of a command ended.",
    of: ({ at }) => secondsOf(at),
  },
  {
    name: "success_timestamp_seconds",
    help: "When a command last ended with exit code 0.",
    of: ({ succeededAt }) => secondsOf(succeededAt),
  },
  {
    name: "run_exit_code",
    help: "The exit code of the newest run.",
    of: ({ exitCode }) => exitCode,
  },
  {
    name: "run_result",
    help: "1 for the result of the newest run, with its class.",
    of: () => 1,
    labels: ({ result, class: name = "" }) => ({ result, class: name }),
  },
  { name: "run_seconds", help: "How long the newest run took.", of: ({ seconds }) => seconds },
  {
    name: "downtime_seconds",
    help: "How long the newest run stopped the stack.",
    of: ({ downtimeSeconds }) => downtimeSeconds,
  },
  {
    name: "backup_bytes",
    help: "Stored size of the newest backup.",
    of: (run) => (isBackup(run) ? run.bytes : undefined),
  },
  {
    name: "upload_timestamp_seconds",
    help: "When a backup was last uploaded.",
    of: ({ uploadedAt }) => secondsOf(uploadedAt),
  },
  {
    name: "verified_timestamp_seconds",
    help: "When a backup was last verified, by the level that was reached.",
    of: (run) => (run.command === "verify" && run.exitCode === 0 ? secondsOf(run.at) : undefined),
    labels: ({ level = "" }) => ({ level }),
  },
];

/** The newest runs in the text format of Prometheus, for the textfile collector of its node exporter. */
export function metricsText(runs: readonly LastRun[]): string {
  return metrics
    .map(({ name, help, of, labels }) => {
      const full = `sophon_keeper_${name}`;
      const lines = runs.flatMap((run) => {
        const value = of(run);
        if (value === undefined) return [];
        const { stack, command } = run;
        const pairs = Object.entries({ stack, command, ...labels?.(run) });
        return [
          `${full}{${pairs.map(([key, text]) => `${key}="${escaped(text)}"`).join(",")}} ${value}`,
        ];
      });
      if (lines.length === 0) return "";
      return [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, ...lines, ""].join("\n");
    })
    .join("");
}

/** The value of a label; see the exposition format of Prometheus. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
