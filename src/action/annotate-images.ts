import { isAbsolute, relative } from "node:path";
import * as core from "@actions/core";
import { visibleLine } from "../core/visible.ts";
import type { Result } from "../model/result.ts";
import { headline, isGood } from "../report/verdict-text.ts";

/**
 * Writes the verdict of a rehearsal beside each line of the checkout that names a new image. GitHub shows it in the diff of
 * the pull request.
 *
 * @param result - the masked result
 * @param workspace - the directory of the checkout
 */
export function annotateImages(result: Result, workspace: string | undefined): void {
  const lines = result.rehearsal?.imageLines ?? [];
  if (workspace === undefined) return;
  for (const { service, file, line } of lines) {
    const path = relative(workspace, file);
    if (path.startsWith("..") || isAbsolute(path)) continue;
    const reason = result.reason === undefined ? "" : `: ${result.reason.message}`;
    const text = visibleLine(`${service}: ${headline(result, "rehearsal")}${reason}`);
    const place = { title: "Sophon Keeper", file: path, startLine: line };
    if (isGood(result)) core.notice(text, place);
    else if (result.result === "unverifiable") core.warning(text, place);
    else core.error(text, place);
  }
}
