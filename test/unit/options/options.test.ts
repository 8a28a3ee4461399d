import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { describe, expect, it } from "vitest";
import { RefusedError } from "../../../src/core/errors.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { type InputName, inputSpec, inputs } from "../../../src/options/inputs.ts";
import { type Options, parseOptions } from "../../../src/options/parse.ts";

const places = { workingDirectory: "/srv", home: "/home/ada" };
const recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

function parse(command: Options["command"], raw: RawInputs): Options {
  return parseOptions(command, raw, places);
}

/** `keep-last` is `keepLast`, the duration `soak` is `soakMs`. */
function memberOf(name: InputName): string {
  const camel = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return inputSpec(name).kind === "duration" ? `${camel}Ms` : camel;
}

const rehearsal = { target: "rehearsal" };

describe("parseOptions", () => {
  it("gives every input's member, with its default", () => {
    const options = parse("backup", {});
    for (const name of Object.keys(inputs) as InputName[]) {
      expect(Object.keys(options)).toContain(memberOf(name));
    }
    expect(options).toMatchObject({
      command: "backup",
      consistency: "live",
      lockTimeoutMs: 0,
      healthTimeoutMs: 600_000,
      recipients: [],
      images: {},
      dryRun: false,
      repository: undefined,
    });
  });

  it("accepts its own defaults in every input", () => {
    for (const name of Object.keys(inputs) as InputName[]) {
      const text = inputSpec(name).default;
      if (text !== undefined) expect(() => parse("list", { [name]: text })).not.toThrow();
    }
  });

  it("takes an empty text as left out", () => {
    expect(parse("backup", { consistency: " ", "keep-last": "" })).toMatchObject({
      consistency: "live",
      keepLast: undefined,
    });
  });

  it("makes paths absolute, compose files from the project directory", () => {
    const options = parse("backup", {
      "project-directory": "stack",
      "compose-files": "compose.yml, /etc/extra.yml\nmore.yml",
      repository: "~/backups",
      "data-dir": "../data",
    });
    expect(options.projectDirectory).toBe("/srv/stack");
    expect(options.composeFiles).toEqual([
      "/srv/stack/compose.yml",
      "/etc/extra.yml",
      "/srv/stack/more.yml",
    ]);
    expect(options.repository).toBe("/home/ada/backups");
    expect(options.dataDir).toBe("/data");
  });

  it.each([
    ["90s", 90_000],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["0", 0],
    ["500ms", 500],
    ["1.5h", 5_400_000],
  ])("reads the duration %s", (text, milliseconds) => {
    expect(parse("upgrade-test", { soak: text }).soakMs).toBe(milliseconds);
  });

  it.each<[Options["command"], RawInputs, RegExp]>([
    ["upgrade-test", { soak: "ten minutes" }, /^soak is "ten minutes": write a duration/],
    ["upgrade-test", { soak: "-5s" }, /^soak is "-5s"/],
    ["verify", { "max-age": "36" }, /^max-age is "36", without a unit: write a duration such as/],
    ["backup", { "lock-timeout": "1.5" }, /^lock-timeout is "1\.5", without a unit/],
    ["upgrade-test", { "health-timeout": "1h30" }, /^health-timeout is "1h30"/],
    ["verify", { "health-timeout": "25d" }, /^health-timeout is "25d", .* at most 24d$/],
    ["backup", { "lock-timeout": "99999w" }, /^lock-timeout is "99999w", .* at most 24d$/],
    [
      "list",
      { "remote-max-age": `${"9".repeat(400)}d` },
      /^remote-max-age is "9{40}\.{3}", .*36500d$/,
    ],
    ["restore", { only: "," }, /^only given but empty/],
    ["restore", { only: "[]" }, /^only given but empty/],
    ["verify", { "trusted-signers": "# none" }, /^trusted-signers given but empty/],
    ["verify", { notify: "# nobody" }, /^notify given but empty/],
    ["upgrade-test", { unencrypted: "true", images: "# none" }, /^images given but empty/],
    ["list", { "project-name": "../etc" }, /^project-name is "\.\.\/etc"/],
    ["backup", { repository: "/proc/x/y" }, /^repository is "\/proc\/x\/y", where no files/],
    ["init", { into: "/srv/../proc" }, /^into is "\/proc", where no files can be made/],
    ["list", { "project-name": "Sophon" }, /^project-name is "Sophon"/],
    ["list", { "project-name": "a\nb" }, /^project-name is "a\nb"/],
    ["backup", { consistency: "cold" }, /^consistency is "cold": write one of live, stopped$/],
    ["backup", { "keep-last": "0" }, /^keep-last is "0", which is out of range: write a whole/],
    ["prune", { "keep-daily": "-1" }, /^keep-daily is "-1", which is out of range: .* at least 1$/],
    ["backup", { "keep-weekly": "1.5" }, /^keep-weekly is "1\.5": write a whole number/],
    ["backup", { "artifact-retention-days": "900" }, /from 1 to 400$/],
    ["backup", { "dry-run": "yes" }, /^dry-run is "yes": write true or false$/],
    ["backup", { recipients: "ssh-ed25519 AAAA" }, /^recipients has "ssh-ed25519"/],
    ["backup", { recipients: recipient.replace("7rx", "7xr") }, /not an age recipient/],
    ["backup", { recipients: recipient, passphrase: "long enough" }, /exclude each other/],
    ["backup", { recipients: recipient, unencrypted: "true" }, /exclude each other/],
    ["backup", { recipients: "" }, /^recipients given but empty/],
    ["backup", { recipients: " ,\n# none" }, /^recipients given but empty/],
    ["upgrade-test", { passphrase: "" }, /^passphrase given but empty/],
    ["backup", { recipients: "", passphrase: "" }, /^recipients and passphrase given but empty/],
    ["backup", { upload: "artifact" }, /^upload is artifact, but nothing encrypts/],
    ["backup", { "artifact-name": "a:b" }, /^artifact-name is "a:b"/],
    ["restore", { backup: "artifact", "artifact-run": "newest" }, /^artifact-run is "newest"/],
    ["restore", { backup: "artifact", "artifact-run": "-1" }, /^artifact-run is "-1"/],
    ["restore", { "artifact-run": "latest" }, /^artifact-run is given, but backup is not artifact/],
    ["backup", { upload: "cache", passphrase: "x".repeat(20) }, /every pull request may read/],
    [
      "list",
      { "upload-endpoint": "https://me:open-sesame@host" },
      /^upload-endpoint holds a password: leave it out/,
    ],
    ["backup", { upload: "cache" }, /^upload is cache, but nothing encrypts the backup/],
    ["upgrade-test", { images: "web" }, /^images has "web": write service=reference/],
    ["upgrade-test", { images: "web=a,web=b" }, /twice/],
    ["upgrade-test", { candidates: "web=a,b" }, /^candidates is only for a rehearsal/],
    ["upgrade-test", { ...rehearsal, candidates: "a,b" }, /^candidates has "a": write service=/],
    ["upgrade-test", { ...rehearsal, candidates: "web=" }, /^candidates has "web="/],
    ["upgrade-test", { ...rehearsal, candidates: "web=a b" }, /^candidates has "web=a b"/],
    ["upgrade-test", { ...rehearsal, candidates: "web=a,db=b" }, /two services, web and db/],
    ["upgrade-test", { ...rehearsal, candidates: "web=a,b,web=a" }, /^candidates has a twice/],
    [
      "upgrade-test",
      { ...rehearsal, candidates: "web=a,b", images: "web=c" },
      /^candidates and images both name web/,
    ],
    [
      "upgrade-test",
      { ...rehearsal, candidates: "web=a,b", "new-files": "c.yml" },
      /^candidates and new-files exclude each other/,
    ],
    ["upgrade-test", { ...rehearsal, "template-keep": "-1" }, /^template-keep is "-1"/],
    ["upgrade-test", { target: "/srv/copy" }, /^target is "\/srv\/copy": write live or rehearsal/],
    ["upgrade-test", { "max-age": "7d" }, /^max-age is only for a rehearsal: set target/],
    ["upgrade-test", { "new-files": "a.yml" }, /^new-files is only for a rehearsal: set target/],
    ["upgrade-test", { target: "rehearsal", "dry-run": "true" }, /^dry-run is not for a rehearsal/],
    ["upgrade-test", { "health-url": "localhost:80" }, /^health-url is "localhost:80"/],
    ["upgrade-test", { "health-header": "no colon" }, /^health-header is not a header/],
    ["scan-log", { "log-deny": "(" }, /^log-deny has "\("/],
    ["prune", {}, /^prune has no keep rule/],
  ])("refuses for %s %o", (command, raw, message) => {
    const act = () => parse(command, raw);
    expect(act).toThrow(RefusedError);
    expect(act).toThrow(message);
  });

  it("never repeats a mistyped identity", () => {
    const secret = "AGE-SECRET-KEY-1QQQQ";
    expect(() => parse("verify", { identity: secret })).toThrow(/identity holds no age identity/);
    expect(() => parse("verify", { identity: secret })).not.toThrow(/QQQQ/);
  });

  it.each([
    "web=example/web:1,example/web:2",
    "web=example/web:1\n# comment\nweb = example/web:2",
    '["web=example/web:1", "example/web:2"]',
  ])("reads candidates as the references of one service: %s", (candidates) => {
    expect(parse("upgrade-test", { ...rehearsal, candidates }).candidates).toEqual({
      web: ["example/web:1", "example/web:2"],
    });
    expect(parse("upgrade-test", rehearsal).candidates).toEqual({});
  });

  it("takes an empty list of JSON, and none, as they are meant", () => {
    const raw = { exclude: "[]", upload: " none ", "notify-on": "[]", soak: "24d" };
    expect(parse("backup", raw)).toMatchObject({ exclude: [], upload: [], notifyOn: [] });
  });

  it("keeps the items of a JSON list as they are", () => {
    const image = (tag: string) => ({ images: JSON.stringify(`web=example/web:${tag}`) });
    expect(parse("upgrade-test", image("1.0")).images).toEqual({ web: "example/web:1.0" });
    for (const tag of ["1.0,postgres=evil/img", "1.0\npostgres=evil/img", "1.0 x", '1",']) {
      expect(() => parse("upgrade-test", image(tag))).toThrow(/^images has "web=/);
    }
    expect(parse("backup", { exclude: '["a,b", "c"]' }).exclude).toEqual(["a,b", "c"]);
    for (const exclude of ['["a"', '"a","b"', "[1]", "[null]", '[""]', '[["a"]]']) {
      expect(() => parse("backup", { exclude })).toThrow(/^exclude begins like JSON/);
    }
  });

  it("refuses a secret key among the recipients without repeating it", () => {
    expect(() => parse("backup", { recipients: "AGE-SECRET-KEY-1QQQQ" })).toThrow(
      /^recipients holds a secret key: give its public half/,
    );
  });

  it("knows the keys that the age library makes, and no other", async () => {
    const identity = await generateX25519Identity();
    const publicKey = await identityToRecipient(identity);
    expect(parse("verify", { identity: `# created\n${identity}\n` }).identity).toEqual([identity]);
    expect(parse("backup", { recipients: `${publicKey}, ${publicKey}` }).recipients).toEqual([
      publicKey,
    ]);
    for (let at = 5; at < publicKey.length; at += 7) {
      const wrong = `${publicKey.slice(0, at)}${publicKey[at] === "q" ? "p" : "q"}${publicKey.slice(at + 1)}`;
      expect(() => parse("backup", { recipients: wrong })).toThrow(RefusedError);
    }
  });
});
