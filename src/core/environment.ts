import { passwordsIn } from "./secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What programs such as tar need of an environment: where things are, and which language. */
const needed =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TMP|TEMP|TERM|LD_LIBRARY_PATH|NIX_\w+|RUNNER_TRACKING_ID)$/i;

/** Inputs, tokens, and the files by which a step tells the runner something. */
const withheld =
  /^(SOPHON_KEEPER_\w*|INPUT_.*|ACTIONS_\w+|(GITHUB|GH)_(ENTERPRISE_)?TOKEN|GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY))$/i;

/** Variables of the programs and services that a backup is sent by. */
const secretNames =
  /^(AWS_(SECRET_ACCESS_KEY|SESSION_TOKEN|CONTAINER_AUTHORIZATION_TOKEN)|RCLONE_(\w+_)?(PASS(WORD)?2?|SECRET|TOKEN|KEY|KEY_PEM|SAS_URL|CONNECTION_STRING|CREDENTIALS))$/i;
const proxyNames = /^(https?|ftp|all)_proxy$/i;

/** The secrets of an environment, which a server, a program or a library may repeat in a message. */
export function environmentSecrets(environment: Environment): string[] {
  const found = new Set<string>();
  for (const [name, value = ""] of Object.entries(environment)) {
    if (secretNames.test(name)) found.add(value);
    if (proxyNames.test(name)) for (const text of passwordsIn(value)) found.add(text);
  }
  found.delete("");
  return [...found];
}

/**
 * The part of this process's environment that a program gets. Docker gets the user's variables too, because Compose puts
 * them into the project (`${TAG}`), and rclone, which is configured by them; what is a secret of this program or of the runner must not end up there. Every other
 * program gets only what it needs: a stray `TAR_OPTIONS` would change what is archived.
 */
export function environmentFor(command: string, environment: Environment): Environment {
  const takesAll = /(^|\/)(docker|rclone)$/.test(command);
  const passes = (name: string) => (takesAll ? !withheld.test(name) : needed.test(name));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => passes(name)));
}

/**
 * Takes the inputs out of an environment, so that nothing that this process starts or loads can read them there.
 *
 * @returns the environment as it was.
 */
export function takeInputs(environment: Record<string, string | undefined>): Environment {
  const before = { ...environment };
  for (const name of Object.keys(environment)) {
    if (/^(SOPHON_KEEPER_|INPUT_)/i.test(name)) delete environment[name];
  }
  return before;
}
