import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { thirdPartyLicences } from "./licences.ts";

const root = join(import.meta.dirname, "..");
const stub = (name: string) => join(import.meta.dirname, "stubs", `${name}.ts`);

/** Names and sources of the entries of what is shipped. */
const shippedEntries = { main: "src/main.ts", post: "src/post.ts", cli: "src/cli.ts" };

/**
 * Builds the action and the command line, or the `entries` that are given, into a directory: small entries `main.js`,
 * `post.js`, `cli.js` with shared chunks, and the licences of the bundled packages. The build is reproducible: the same
 * sources and locked packages give the same bytes anywhere.
 */
export async function bundle(
  directory: string,
  entries: Readonly<Record<string, string>> = shippedEntries,
): Promise<void> {
  await using build = await rolldown({
    cwd: root,
    input: entries,
    platform: "node",
    resolve: {
      alias: {
        ssh2: stub("ssh2"),
        "@grpc/grpc-js": stub("empty"),
        "@grpc/proto-loader": stub("empty"),
        protobufjs: stub("empty"),
      },
    },
    onLog(level, log, tell) {
      // Import cycles inside dependencies are not ours to fix.
      if (log.code === "CIRCULAR_DEPENDENCY" || log.code === "EVAL") return;
      if (log.code === "IMPORT_IS_UNDEFINED") return;
      tell(level, log);
    },
  });
  const { output } = await build.write({
    dir: directory,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    minify: true,
    comments: false,
  });
  // Executable, so that it can be linked into the PATH.
  if ("cli" in entries) await chmod(join(directory, "cli.js"), 0o755);
  const modules = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "licenses.txt"), await thirdPartyLicences(root, modules));
  // Marks the files as ES modules, wherever they are copied.
  await writeFile(join(directory, "package.json"), '{ "type": "module" }\n');
}
