// @module-tag exhaustive
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { metricsText } from "../../src/notify/metrics.ts";
import { hasCommand, run, tryRun } from "../lab/run.ts";

const examples = join(import.meta.dirname, "../../examples");
const alerts = join(examples, "alerts.yml");
let directory: string;
let promtool = "promtool";

/** Prometheus's own judge, unpacked from Debian's package: installing that would start a server. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sophon-keeper-alerts-"));
  if (await hasCommand("promtool")) return;
  await run(["chmod", "755", directory]);
  const download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "prometheus"];
  const first = await tryRun(download, { cwd: directory });
  // On a new machine there are no lists yet.
  if (first.code !== 0) {
    await run(["apt-get", "-q", "update"]);
    await run(download, { cwd: directory });
  }
  await run(["sh", "-euc", `dpkg-deb --extract prometheus_*.deb .`], { cwd: directory });
  promtool = join(directory, "usr/bin/promtool");
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function judged(name: string, content: unknown, command: readonly string[]): Promise<void> {
  const path = join(directory, name);
  // JSON is YAML, too.
  await writeFile(path, JSON.stringify(content));
  const { code, stdout, stderr } = await tryRun([promtool, ...command, path]);
  expect(code, `${stdout}${stderr}`).toBe(0);
}

describe("promtool", () => {
  it("takes the metrics, the alerts and every question of the dashboard", async () => {
    const at = "2026-11-28T02:18:00.000Z";
    const about = { stack: 'a "b"\\c', at, result: "verified", exitCode: 0, seconds: 1.5 };
    const written = metricsText([
      { ...about, command: "backup", bytes: 1, downtimeSeconds: 1, uploadedAt: at },
      { ...about, command: "verify", level: "restore", succeededAt: at },
    ]);
    const path = join(directory, "metrics.prom");
    await writeFile(path, written);
    expect(await run(["sh", "-c", '"$0" check metrics <"$1"', promtool, path])).toBe("");
    expect(await run([promtool, "check", "rules", alerts])).toContain("5 rules found");
    const text = await readFile(join(examples, "grafana-dashboard.json"), "utf8");
    const { panels } = JSON.parse(text) as {
      panels: readonly { targets: readonly { expr: string }[] }[];
    };
    const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    const rules = asked.map((expr, at) => ({ record: `panel_${at}`, expr }));
    const groups = [{ name: "dashboard", rules }];
    await judged("dashboard.yml", { groups }, ["check", "rules"]);
  });

  it("lets each alert fire for what it is about, and stay silent otherwise", async () => {
    const metric = (name: string, labels: Readonly<Record<string, string>>) =>
      `sophon_keeper_${name}{${Object.entries(labels)
        .map(([key, value]) => `${key}="${value}"`)
        .join(",")}}`;
    const backup = (stack: string) => ({ instance: "host", stack, command: "backup" });
    const verify = (stack: string) => ({
      ...{ instance: "host", stack, command: "verify", level: "restore" },
    });
    // One value an hour, for ten days. The bad stack made its only backup at the beginning.
    const hours = 240;
    const input_series = [
      { series: metric("success_timestamp_seconds", backup("good")), values: `0+3600x${hours}` },
      { series: metric("success_timestamp_seconds", backup("bad")), values: `0x${hours}` },
      { series: metric("verified_timestamp_seconds", verify("good")), values: `0+3600x${hours}` },
      { series: metric("verified_timestamp_seconds", verify("bad")), values: `0x${hours}` },
      { series: metric("run_exit_code", backup("good")), values: `0x${hours}` },
      { series: metric("run_exit_code", backup("bad")), values: `7x${hours}` },
      { series: metric("backup_bytes", backup("good")), values: `100x${hours}` },
      { series: metric("backup_bytes", backup("bad")), values: "100x220 40x19" },
    ];
    const of = (severity: string, command = true) => ({
      ...{ severity, instance: "host", stack: "bad" },
      ...(command ? { command: "backup" } : {}),
    });
    const fires = (alertname: string, exp_labels: object, summary: string) => ({
      ...{ eval_time: `${hours}h`, alertname },
      exp_alerts: [{ exp_labels, exp_annotations: { summary } }],
    });
    const alert_rule_test = [
      fires("SophonBackupMissing", of("critical"), "No backup of bad for more than 36 hours"),
      fires(
        ...(["SophonBackupNotVerified", of("warning", false)] as const),
        "No backup of bad was read whole for more than a week",
      ),
      fires("SophonKeeperFailed", of("warning"), "backup of bad ended with exit code 7"),
      fires(
        ...(["SophonKeeperNeedsAPerson", of("critical")] as const),
        "backup of bad: the rollback failed, a person must act",
      ),
      fires(
        ...(["SophonBackupShrank", of("warning")] as const),
        "The backup of bad is less than half of what it was two days ago",
      ),
      { eval_time: "30h", alertname: "SophonBackupMissing", exp_alerts: [] },
      { eval_time: "7d", alertname: "SophonBackupNotVerified", exp_alerts: [] },
    ];
    const tests = [{ interval: "1h", input_series, alert_rule_test }];
    await judged("test.yml", { rule_files: [alerts], tests }, ["test", "rules"]);
  });
});
