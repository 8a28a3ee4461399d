import { join } from "node:path";
import type { LabStack } from "../test/lab/lab-stack.ts";
import { run } from "../test/lab/run.ts";
import { makeData } from "./data.ts";

/** Fills a Pro stack: `scale` 1 is 1 GB in the data directory and 1 GB in PostgreSQL. */
export async function fill({ dataDir, compose }: LabStack, scale: number): Promise<void> {
  makeData(join(dataDir, "bench"), scale);
  await run(["chown", "-R", "--reference", dataDir, join(dataDir, "bench")]);
  const rows = Math.ceil(900_000 * scale);
  // 1 KiB a row that PostgreSQL cannot compress and does not move out of the table.
  const piece = "md5(random()::text || n || i)";
  const text = `(select string_agg(${piece}, '') from generate_series(1, 32) i)`;
  const psql = ["psql", "--username", "sophon", "--dbname", "sophon", "--quiet", "--tuples-only"];
  const commands = [
    `create table bench_fill as select n, ${text} from generate_series(1, ${rows}) n`,
    ...["checkpoint", "select pg_table_size('bench_fill')"],
  ].flatMap((sql) => ["--command", sql]);
  const size = await compose([
    ...["exec", "-T", "postgres", ...psql, "--set", "ON_ERROR_STOP=1", ...commands],
  ]);
  if (Number(size) < 1000 * rows) throw new Error(`PostgreSQL has only ${size.trim()} bytes more`);
}
