import type { Rehearsal } from "../../model/rehearsal.ts";
import type { ComposeService } from "../../model/stack.ts";

/** What an image declares. */
interface Declared {
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
}

/** What has to be given to the new version. */
export type Required = NonNullable<Rehearsal["requires"]>;

/** Variables that say how an image was built, and ask nothing of those who run it. */
const ofTheBuild =
  /^(PATH|HOME|LANG|LC_\w+|TZ|PWD|\w*_?(VERSION|SHA|SHA\d+|CHECKSUM|COMMIT|REVISION|GPG_KEYS?|BUILD\w*))$/;

/** The variables and volumes that a new image declares, the old one does not, and the definition does not set. Pure. */
export function newlyDeclared(before: Declared, after: Declared, given: ComposeService): Required {
  const set = { ...before.environment, ...given.environment };
  const environment = Object.keys(after.environment).filter(
    (name) => !Object.hasOwn(set, name) && !ofTheBuild.test(name),
  );
  const temporary = typeof given.tmpfs === "string" ? [given.tmpfs] : (given.tmpfs ?? []);
  const targets = [
    ...(given.volumes ?? []).map(({ target }) => target),
    ...(Array.isArray(temporary) ? temporary.map((one) => String(one).split(":")[0] ?? "") : []),
  ];
  const known = new Set([...before.volumes, ...targets].map(withoutSlash));
  const volumes = after.volumes.filter((path) => !known.has(withoutSlash(path)));
  return { environment, volumes };
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}
