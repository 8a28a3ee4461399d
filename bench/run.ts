import { join } from "node:path";

/** `npm run bench -- backup | incremental | verify | upload | downtime | delta | overhead | prediction | rehearsal | one-file [options]`; each file tells its options. */
const names = [
  ...["backup", "incremental", "verify", "upload", "downtime", "delta"],
  ...["overhead", "prediction", "rehearsal", "one-file"],
];
const [name = "", ...options] = process.argv.slice(2);
if (names.includes(name)) {
  const file = join(import.meta.dirname, `${name}.ts`);
  process.argv.splice(1, process.argv.length, file, ...options);
  await import(file);
} else {
  console.error(`npm run bench -- ${names.join(" | ")}`);
  process.exitCode = 2;
}
