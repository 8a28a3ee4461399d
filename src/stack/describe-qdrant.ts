import { posix } from "node:path";
import { parse } from "yaml";
import type { ContainerState, QdrantStore } from "../model/stack.ts";
import type { InspectedContainer } from "./inspect.ts";
import { placeOfServer, readInside, readVariable, type ServerContext } from "./server-input.ts";
import { defaultDirectory } from "./server-kind.ts";

/** The part of a Qdrant configuration file that says how the server is reached. */
interface QdrantConfig {
  readonly service?: Readonly<Record<string, unknown>>;
  readonly storage?: Readonly<Record<string, unknown>>;
}

const home = "/qdrant";

/** Describes a Qdrant server. Its environment takes precedence over its configuration files, as in the server itself. */
export async function describeQdrant(
  { state, argv }: InspectedContainer,
  context: ServerContext,
): Promise<QdrantStore> {
  const { environment } = state;
  const { service, storage } = await configOf(argv, state, context);
  const directory = environment.QDRANT__STORAGE__STORAGE_PATH || textOf(storage?.storage_path);
  return {
    kind: "qdrant",
    ...placeOfServer(state, posix.resolve(home, directory || defaultDirectory("qdrant"))),
    port: Number(environment.QDRANT__SERVICE__HTTP_PORT || service?.http_port || 6333),
    tls: /^(1|true)$/i.test(environment.QDRANT__SERVICE__ENABLE_TLS || String(service?.enable_tls)),
    apiKey:
      (await readVariable(state, ["QDRANT__SERVICE__API_KEY"], context)) ??
      (textOf(service?.api_key) || undefined),
  };
}

/**
 * The configuration files in the order in which the server merges them: `config.yaml`, the one of its run mode,
 * `local.yaml`, and the one that its command names (`Settings::new` in `src/settings.rs`). Only files that somebody
 * mounted are read: those of the image contain nothing of the stack.
 */
async function configOf(
  argv: readonly string[],
  state: ContainerState,
  context: ServerContext,
): Promise<QdrantConfig> {
  const at = argv.indexOf("--config-path");
  const given = argv.find((word) => word.startsWith("--config-path="))?.split("=")[1];
  const named = given ?? (at < 0 ? undefined : argv[at + 1]);
  const mode = state.environment.RUN_MODE || "development";
  const names = ["config", mode, "production", "local"].map((name) => `config/${name}.yaml`);
  const paths = [...new Set(names), ...(named === undefined ? [] : [named])]
    .map((path) => posix.resolve(home, path))
    .filter((path) => state.mounts.some(({ target }) => `${path}/`.startsWith(`${target}/`)));
  let merged: QdrantConfig = {};
  for (const path of paths) {
    const own = read(await readInside(state, path, context));
    merged = {
      service: { ...merged.service, ...own.service },
      storage: { ...merged.storage, ...own.storage },
    };
  }
  return merged;
}

/** A file that the server cannot read either is empty here: the server itself will report it. */
function read(text: string): QdrantConfig {
  try {
    const found: unknown = parse(text);
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {};
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
