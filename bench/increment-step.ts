import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { unpackTar } from "../src/archive/tar/pack-tar.ts";
import { marked } from "../src/model/marks.ts";
import { proveDeltas } from "../src/operations/backup/increment.ts";
import { checkChecksums } from "../src/repository/checksum.ts";
import { readRequest } from "../src/stores/reader.ts";
import { TestChain } from "../test/contract/verify/chain.ts";

/**
 * One backup of a directory with `incremental`, or its restore, as a process of its own for the benchmark to time. All
 * that the commands do besides the engine: the choice of the parent, whose files are read again; the copy; and the read-back.
 *
 * `increment-step.ts backup ROOT KEY NUMBER` makes backup NUMBER (from 0) of ROOT/data;
 * `increment-step.ts restore ROOT KEY NUMBER INTO` unpacks it.
 */
const [step, root = "", keyFile = "", number = "0", into = ""] = process.argv.slice(2);
const text = await readFile(keyFile, "utf8");
const identities = [...(/^AGE-SECRET-KEY-1\w+$/m.exec(text) ?? [])];
const recipient = /public key: (\w+)/.exec(text)?.[1] ?? "";
const chain = await TestChain.at(root, Number(number));
const { repository } = chain;
const { signal } = new AbortController();

if (step === "backup") {
  const id = await chain.backup(recipient);
  const directory = repository.directory(id);
  const { checks, manifest, manifestSha256 } = await checkChecksums(directory, {
    ancestors: false,
  });
  const failed = checks.find(({ status }) => status !== "pass");
  if (failed !== undefined || manifest === undefined) throw new Error(JSON.stringify(failed));
  const source = { directory, identities, passphrase: undefined };
  await proveDeltas(manifest.components, source, signal);
  const at = new Date().toISOString();
  await repository.mark(id, marked(undefined, manifestSha256 ?? "", "checksum", at, "0.0.0"));
} else {
  const { id } = (await repository.list()).toReversed()[Number(number)] ?? { id: "" };
  const directory = repository.directory(id);
  const { manifest } = await repository.read(id);
  const [component] = manifest?.components ?? [];
  if (component === undefined) throw new Error(`${join(directory, basename(id))} has no component`);
  const source = { directory, identities, passphrase: undefined };
  await unpackTar({ ...readRequest(source, component, signal), into });
}
