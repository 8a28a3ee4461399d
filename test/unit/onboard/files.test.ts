import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import {
  exampleNames,
  filesFor,
  type Setting,
  scheduleKinds,
} from "../../../src/operations/onboard/files.ts";

const root = join(import.meta.dirname, "../../..");
const setting: Setting = {
  ...{ directory: "/srv/my stack, $1", project: "my-stack" },
  ...{ watched: ["compose.yaml", "more/web.yaml", ".env"], repository: "/backups/my-stack" },
  ...{ given: {}, release: undefined },
  main: { service: "web", image: "registry.test:5000/team/web" },
  recipients: [
    { recipient: "age1aaa", about: "your key" },
    { recipient: "age1bbb", about: "the recovery key" },
  ],
  ...{ node: "/usr/local/bin/node", program: "/usr/lib/sophon-keeper/dist/cli.js" },
  ...{ recipientsFile: "/root/keys/recipients.txt", verifyKey: "/root/keys/verify.key" },
};

async function files(given: Partial<Setting> = {}) {
  const texts = exampleNames.map(
    async (name) => [name, await readFile(join(root, "examples", name), "utf8")] as const,
  );
  const examples = Object.fromEntries(await Promise.all(texts));
  const all = scheduleKinds.map((kind) => filesFor(kind, { ...setting, ...given }, examples));
  return Object.assign({}, ...all) as Record<string, string>;
}

it("fills every place of the examples with the values of the stack", async () => {
  for (const [name, text] of Object.entries(await files())) {
    expect(text, name).not.toMatch(/\/srv\/sophon\b|\/opt\/|\/etc\/sophon-keeper|vars\.SOPHON/);
  }
});

it("writes workflows that are YAML, with the path and the recipients as they are", async () => {
  const all = await files();
  const nightly = parse(String(all[".github/workflows/sophon-nightly.yml"]));
  const { with: given } = nightly.jobs.backup.steps[0];
  expect(given["project-directory"]).toBe("/srv/my stack, $1");
  expect(given.recipients.match(/^age1\w+$/gm)).toEqual(["age1aaa", "age1bbb"]);
  const rehearsal = parse(String(all[".github/workflows/sophon-rehearsal.yml"]));
  expect(rehearsal.on.pull_request.paths).toEqual(["compose.yaml", "more/web.yaml", ".env"]);
  expect(rehearsal.jobs.rehearse.steps.at(-1).with.repository).toBe("/backups/my-stack");
  const upgrade = parse(String(all[".github/workflows/sophon-upgrade.yml"]));
  expect(upgrade.jobs.upgrade.steps.at(-1).with.images).toBe(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of a workflow
    "web=registry.test:5000/team/web:${{ inputs.tag }}",
  );
});

it("writes units whose words systemd reads as one", async () => {
  const unit = String((await files())["systemd/sophon-keeper-backup.service"]);
  expect(unit).toContain(
    'ExecStart=/usr/local/bin/node /usr/lib/sophon-keeper/dist/cli.js backup --project-directory "/srv/my stack, $$1" --recipients @/root/keys/recipients.txt',
  );
  expect(unit).toContain("--identity /root/keys/verify.key");
});

it("writes lines for cron whose words the shell reads as one", async () => {
  const text = String((await files({ directory: "/srv/50 % of 'it'" }))["cron.d/sophon-keeper"]);
  const line = String(/^17 2 \* \* \* root (.*)$/m.exec(text)?.[1]);
  // cron takes the backslash before a percent sign away.
  const argv = [
    "-c",
    `node() { printf '%s|' "$@"; }; ${line.replaceAll("\\%", "%").replaceAll(setting.node, "node")}`,
  ];
  const said = execFileSync("sh", argv, { encoding: "utf8" });
  expect(said).toMatch(
    /^\/usr\/lib\/sophon-keeper\/dist\/cli.js\|backup\|--project-directory\|\/srv\/50 % of 'it'\|--recipients\|/,
  );
  expect(said).toContain("cli.js|verify|--project-directory|/srv/50 % of 'it'|--level|restore|");
});

it("leaves the upgrade out where there is nothing but databases", async () => {
  const names = Object.keys(await files({ main: undefined })).join(" ");
  expect(names).toContain("sophon-nightly.yml");
  expect(names).not.toMatch(/sophon-(upgrade|rehearsal)\.yml/);
});

const commit = "0123456789abcdef0123456789abcdef01234567";

it("pins the workflows to the commit of the release, as Dependabot and Renovate read it", async () => {
  const all = await files({ release: { commit, version: "1.2.3" } });
  const workflows = Object.entries(all).filter(([path]) => path.startsWith(".github"));
  expect(workflows).toHaveLength(3);
  for (const [path, text] of workflows) {
    const own = text.match(/uses: sophon-keeper\/.*$/gm) ?? [];
    expect(own.length, path).toBeGreaterThan(0);
    expect(new Set(own)).toEqual(new Set([`uses: sophon-keeper/sophon-keeper@${commit} # v1.2.3`]));
  }
});

it("says in every schedule where the stack and its backups are, if the user said it", async () => {
  const given = {
    repository: "/backups of mine",
    "compose-files": '["/srv/a.yml","/srv/b.yml"]',
    "project-name": "123",
  };
  const all = await files({ given });
  const nightly = parse(String(all[".github/workflows/sophon-nightly.yml"]));
  for (const step of nightly.jobs.backup.steps.slice(0, 2)) expect(step.with).toMatchObject(given);
  const upgrade = parse(String(all[".github/workflows/sophon-upgrade.yml"]));
  expect(upgrade.jobs.upgrade.steps.at(-1).with).toMatchObject(given);
  const unit = String(all["systemd/sophon-keeper-recover.service"]);
  expect(unit.match(/--project-name/g)).toHaveLength(1);
  const cron = String(all["cron.d/sophon-keeper"]);
  for (const text of [unit, cron]) expect(text).toContain("/backups of mine");
  const line = String(/^17 2 \* \* \* root (.*)$/m.exec(cron)?.[1]);
  const said = execFileSync("sh", [
    "-c",
    `node() { printf '%s|' "$@"; }; ${line.replaceAll(setting.node, "node")}`,
  ]);
  expect(String(said)).toContain(
    '|--repository|/backups of mine|--compose-files|["/srv/a.yml","/srv/b.yml"]|--project-name|123|',
  );
});

it("keeps the places of the examples for keys that init did not make", async () => {
  const all = await files({ recipients: [] });
  const nightly = parse(String(all[".github/workflows/sophon-nightly.yml"]));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of a workflow
  expect(nightly.jobs.backup.steps[0].with.recipients).toBe("${{ vars.SOPHON_BACKUP_RECIPIENTS }}");
  expect(all["cron.d/sophon-keeper"]).toContain("@/etc/sophon-keeper/recipients.txt");
});
