import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/*
 * Lists every key of the Compose specification: node scripts/compose-spec.ts compose-spec.json VERSION. The schema is
 * `schema/compose-spec.json` of the Go module github.com/compose-spec/compose-go/v2 (Apache-2.0). A test holds the
 * tables of `docs/compose.md` against the list, so that a new key is decided and not forgotten.
 */

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const [file = "", version = ""] = process.argv.slice(2);
const root = JSON.parse(readFileSync(file, "utf8")) as Schema;

function resolved(schema: Schema): Schema {
  const name = schema.$ref?.replace("#/$defs/", "");
  return name === undefined ? schema : resolved(root.$defs?.[name] ?? {});
}

/** The keys of a mapping, whichever of its forms has them. */
function keysOf(schema: Schema): Record<string, Schema> {
  const own = resolved(schema);
  const parts = [...(own.oneOf ?? []), ...(own.allOf ?? []), ...(own.anyOf ?? [])];
  const named = Object.entries(own.patternProperties ?? {}).filter(([name]) => name !== "^x-");
  const inside = [...parts, ...(own.items === undefined ? [] : [own.items])].map(keysOf);
  const entries = named.map(([, value]) => keysOf(value));
  return Object.assign({}, ...entries, ...inside, own.properties ?? {});
}

const service = keysOf({ $ref: "#/$defs/service" });
const part = (name: string) => keysOf(service[name] ?? {});
const top = root.properties ?? {};
const sections: Record<string, Record<string, Schema>> = {
  "": top,
  services: service,
  "services.configs": part("configs"),
  "services.depends_on": part("depends_on"),
  "services.deploy": part("deploy"),
  "services.healthcheck": part("healthcheck"),
  "services.networks": part("networks"),
  "services.ports": part("ports"),
  "services.secrets": part("secrets"),
  "services.volumes": part("volumes"),
  networks: keysOf({ $ref: "#/$defs/network" }),
  volumes: keysOf({ $ref: "#/$defs/volume" }),
  secrets: keysOf({ $ref: "#/$defs/secret" }),
  configs: keysOf({ $ref: "#/$defs/config" }),
};

const list = {
  module: "github.com/compose-spec/compose-go/v2",
  version,
  license: "Apache-2.0, copyright The Compose Specification Authors",
  sections: Object.fromEntries(
    Object.entries(sections).map(([name, keys]) => [
      name,
      Object.keys(keys).toSorted((a, b) => (a < b ? -1 : 1)),
    ]),
  ),
};
const target = join(import.meta.dirname, "compose-spec.json");
writeFileSync(target, `${JSON.stringify(list, null, 2)}\n`);
console.log(target);
