import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readEnvTexts } from "../../core/env-file.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { StackSource } from "../fill/stack-source.ts";

type Grants = NonNullable<ComposeModel["configs"]>;

/** A compose model whose configs and secrets are files on this host. */
export interface FileModel {
  readonly model: ComposeModel;
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Writes configs and secrets that a backup has in its compose files (`content`) or env files (`environment`) into a
 * directory, with the content that Compose would give to containers. A variable that was set only in the shell is in no
 * backup: its grant stays as it is, and the clone omits it.
 */
export async function writeInlineFiles(
  { model, index, files }: Pick<StackSource, "model" | "index" | "files">,
  directory: string,
): Promise<FileModel> {
  const variables = await variablesOf(index, files);
  const written: Record<string, string> = {};
  const asFiles = async (kind: "configs" | "secrets"): Promise<Grants> => {
    const grants: Record<string, Grants[string]> = {};
    for (const [name, grant] of Object.entries(model[kind] ?? {})) {
      const { content, environment } = grant as { content?: string; environment?: string };
      const text = content ?? (environment === undefined ? undefined : variables[environment]);
      grants[name] = grant;
      if (text === undefined) continue;
      const path = join(directory, kind, String(Object.keys(grants).length));
      await mkdir(join(directory, kind), { recursive: true, mode: 0o700 });
      // Compose uses this mode, too. The parent directory is private to this user.
      await writeFile(path, text, { mode: 0o444 });
      grants[name] = { file: path };
      written[path] = path;
    }
    return grants;
  };
  const [configs, secrets] = [await asFiles("configs"), await asFiles("secrets")];
  return { model: { ...model, configs, secrets }, files: { ...files, ...written } };
}

/** The variables of the project's env files in the backup. A later file overrides an earlier one. */
async function variablesOf(
  { directory, envFiles }: StackSource["index"],
  files: StackSource["files"],
): Promise<Record<string, string | undefined>> {
  const paths = envFiles.length > 0 ? envFiles : [join(directory, ".env")];
  const texts = await Promise.all(
    paths.map(async (path) => {
      const copy = files[path];
      return copy === undefined ? "" : await readFile(copy, "utf8").catch(() => "");
    }),
  );
  return readEnvTexts(texts);
}
