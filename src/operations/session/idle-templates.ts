import { existsSync } from "node:fs";
import { describeError } from "../../core/errors.ts";
import { Repository } from "../../repository/repository.ts";
import { claimTemplate, forgetTemplate, templateState } from "../../repository/template-records.ts";
import type { Engine } from "../../stack/engine.ts";
import { tooLittleFree } from "../../stack/engine-space.ts";
import { listTemplateVolumes, removeTemplateVolumes } from "../../stack/template-volumes.ts";
import type { Dependencies } from "./command.ts";
import type { Host } from "./host.ts";

/** Which finished templates go although their backups are there. By default none, unless the disk gets full. */
interface Unwanted {
  /** All of this project. */
  readonly ofProject?: string;
  /** All of the host. */
  readonly all?: boolean;
}

/**
 * Removes the templates that nobody can or should use: those that a killed run left half made, those whose backup is gone,
 * and all of them when the disk gets full. One that a living operation uses or makes is left alone, and so is one of a
 * repository that this process does not see: it cannot know who needs it. A failure is only a warning.
 */
export async function removeIdleTemplates(
  { host, reporter }: Pick<Dependencies, "reporter"> & { readonly host: Pick<Host, "engine"> },
  unwanted: Unwanted = {},
): Promise<void> {
  try {
    const engine = await host.engine();
    for (const told of await removeThem(engine, unwanted)) reporter.info(told);
  } catch (error) {
    reporter.warning(`a kept copy of restored data could not be removed: ${describeError(error)}`);
  }
}

/** @returns what was removed and what cannot be judged, one line each. */
async function removeThem(
  engine: Engine,
  { ofProject, all = false }: Unwanted,
): Promise<readonly string[]> {
  const told: string[] = [];
  const templates = await listTemplateVolumes(engine);
  if (templates.length === 0) return told;
  const isFull = all || (await tooLittleFree(engine)) !== undefined;
  for (const { id, project, repository: path, names, maker } of templates) {
    const repository = new Repository(path);
    // Without a repository it is only for the process that makes it.
    const now = path === "" ? ({ state: "none" } as const) : await templateState(repository, id);
    if (now.state === "unknown") {
      told.push(`keeps ${id}, restored data of ${project}: nothing of it is seen in ${path} here`);
    }
    if (now.state === "used" || now.state === "unknown") continue;
    if (now.state === "none" && maker !== "dead") continue;
    const isNeeded =
      now.state === "offered" &&
      now.record !== undefined &&
      existsSync(repository.directory(now.record.backupId));
    if (isNeeded && !isFull && project !== ofProject) continue;
    // Whoever takes the record has the template alone. A claim without a living operation counts as none.
    if (now.state === "offered" && !(await claimTemplate(repository, id, "removal"))) continue;
    const isGone = await removeTemplateVolumes(engine, names);
    if (isGone && path !== "") await forgetTemplate(repository, id);
    const of = now.state === "offered" ? (now.record?.backupId ?? "a backup") : "a killed run";
    if (isGone) told.push(`removed ${id}, the restored data of ${of}`);
  }
  return told;
}
