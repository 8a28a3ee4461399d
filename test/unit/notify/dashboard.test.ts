import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { metricsText } from "../../../src/notify/metrics.ts";

const examples = join(import.meta.dirname, "../../../examples");
const at = "2026-11-28T02:18:00.000Z";
const run = { stack: "sophon", at, result: "verified", exitCode: 0, seconds: 1, succeededAt: at };
const written = metricsText([
  { ...run, command: "backup", bytes: 1, downtimeSeconds: 1, uploadedAt: at },
  { ...run, command: "verify", level: "restore" },
]);
const labels = ["stack", "command", "result", "class", "level"];

it.each(["alerts.yml", "grafana-dashboard.json"])(
  "%s asks for metrics that are written",
  (name) => {
    const text = readFileSync(join(examples, name), "utf8");
    const asked = [...new Set(text.match(/sophon_keeper_\w+/g))];
    expect(asked.length).toBeGreaterThan(2);
    for (const metric of asked) expect(written, metric).toContain(`# TYPE ${metric} gauge`);
  },
);

it("the dashboard is one that Grafana can read: panels that do not overlap, labels that exist", () => {
  const { panels } = JSON.parse(readFileSync(join(examples, "grafana-dashboard.json"), "utf8"));
  const cells = new Set<string>();
  for (const { gridPos, targets, title } of panels) {
    const { x, y, w, h } = gridPos;
    expect(x + w, title).toBeLessThanOrEqual(24);
    for (let across = x; across < x + w; across += 1) {
      for (let down = y; down < y + h; down += 1) {
        expect(cells.has(`${across} ${down}`), title).toBe(false);
        cells.add(`${across} ${down}`);
      }
    }
    for (const { legendFormat } of targets) {
      const used = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      expect(labels).toEqual(expect.arrayContaining(used));
    }
  }
});
