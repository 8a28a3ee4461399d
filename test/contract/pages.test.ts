// @module-tag exhaustive
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gatherHistory } from "../../src/operations/history/gather.ts";
import { historyHtml } from "../../src/report/history-page.ts";
import { pageHtml } from "../../src/report/page.ts";
import { type Browser, type Look, startBrowser } from "../lab/browser.ts";
import { morning, thirtyNights } from "../unit/history/thirty-nights.ts";
import { rehearsedCandidates, rehearsedUpgrade } from "../unit/rehearse/rehearsed-candidates.ts";
import { listedBackups, madeBackup } from "../unit/report/backup-result.ts";
import { rolledBackUpgrade } from "../unit/report/upgrade-result.ts";

// The pages as a browser shows them: on a desk, on a phone, in the dark, on paper. With SOPHON_KEEPER_PICTURES set to a
// directory, the pictures stay there, to be looked at.

let browser: Browser;
let folder: string;
const pictures = process.env.SOPHON_KEEPER_PICTURES;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sophon-keeper-pages-"));
  browser = await startBrowser();
  const repository = await thirtyNights(join(folder, "repository"));
  const disk = { freeBytes: 134 * 2 ** 30, totalBytes: 480 * 2 ** 30 };
  const gathered = await gatherHistory(repository, undefined, morning);
  const history = { ...gathered, disk, repository: "/var/lib/sophon-keeper/sophon" };
  const told = { version: "1.0.0", host: "nas" };
  const run = { ...told, command: "upgrade-test", at: morning, stack: "sophon" };
  await writeFile(join(folder, "history.html"), historyHtml(history, told));
  await writeFile(join(folder, "run.html"), pageHtml(rolledBackUpgrade, run));
  const of = (command: string) => ({ ...run, command });
  await writeFile(join(folder, "backup.html"), pageHtml(madeBackup, of("backup")));
  await writeFile(join(folder, "list.html"), pageHtml(listedBackups, of("list")));
  await writeFile(join(folder, "rehearsal.html"), pageHtml(rehearsedUpgrade, run));
  await writeFile(join(folder, "candidates.html"), pageHtml(rehearsedCandidates, run));
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const looks: readonly Look[] = [
  { width: 1280, scheme: "light" },
  { width: 1280, scheme: "dark" },
  { width: 390, scheme: "light" },
  { width: 390, scheme: "dark" },
  { width: 1280, scheme: "light", print: true },
];

describe.each(["history", "run", "backup", "list", "rehearsal", "candidates"])(
  "the page of the %s",
  (name) => {
    const address = () => pathToFileURL(join(folder, `${name}.html`)).href;

    it.each(looks)("fits, and axe finds nothing: %j", async (look) => {
      const kind = `${look.width}-${look.print === true ? "print" : look.scheme}`;
      const picture = await browser.picture(address(), look);
      expect(picture.subarray(1, 4).toString()).toBe("PNG");
      if (pictures !== undefined) {
        await mkdir(pictures, { recursive: true });
        await writeFile(join(pictures, `${name}-${kind}.png`), picture);
      }
      const wide = "Math.max(document.documentElement.scrollWidth, innerWidth)";
      expect(await browser.evaluate(address(), look, wide)).toBeLessThanOrEqual(look.width);
      expect(await violations(address(), look)).toEqual([]);
    });

    it("names every place that the keyboard reaches", async () => {
      const asked = `[...document.querySelectorAll("[tabindex]")].filter((one) => !one.ariaLabel).map((one) => one.outerHTML)`;
      expect(await browser.evaluate(address(), { width: 390, scheme: "light" }, asked)).toEqual([]);
    });
  },
);

it("has an axe that finds what is wrong", async () => {
  const bad = join(folder, "bad.html");
  await writeFile(
    bad,
    '<!doctype html><html><body style="color:#ccc">pale<img src="x"></body></html>',
  );
  const found = await violations(pathToFileURL(bad).href, { width: 390, scheme: "light" });
  expect(found.map(([id]) => id)).toEqual(
    expect.arrayContaining(["color-contrast", "html-has-lang", "image-alt"]),
  );
});

/** What axe-core finds, with everything unfolded. */
async function violations(url: string, look: Look): Promise<[id: string, ...rest: unknown[]][]> {
  const path = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  const asked = `${await readFile(path, "utf8")};
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    axe.run().then(({ violations }) => violations.map(({ id, help, nodes }) =>
      [id, help, nodes.slice(0, 3).map(({ html }) => html)]))`;
  return (await browser.evaluate(url, look, asked)) as [string][];
}
