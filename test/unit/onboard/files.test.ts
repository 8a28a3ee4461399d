import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { exampleNames, filesFor } from "../../../src/operations/onboard/files.ts";

type Setting = Parameters<typeof filesFor>[0];

const root = join(import.meta.dirname, "../../..");
const setting: Setting = {
  ...{ directory: "/srv/my stack, $1", project: "my-stack" },
  ...{ composeFiles: ["compose.yaml", "more/web.yaml"], repository: "/backups/my-stack" },
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
  const examples = Object.fromEntries(await Promise.all(texts)) as Parameters<typeof filesFor>[1];
  return filesFor({ ...setting, ...given }, examples);
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
