import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { LabStack } from "../../lab/lab-stack.ts";
import { run } from "../../lab/run.ts";
import type { Snapshot } from "../../lab/snapshot.ts";
import { pythonImage } from "../../lab/sophon.ts";

/** What of the stack is copied with the commands of the Sophon page. */
export type PageCommand = "data" | "sql" | "dump" | "qdrant" | "redis";

/**
 * The page's own commands. What is not its words: the stack's real names and port, Qdrant's key, the image that has a
 * `tar` (there may be no registry to pull alpine from), and the copying that the page leaves to its reader.
 */
const commands: Readonly<Record<PageCommand, string>> = {
  data: 'tar czf sophon-backup-$(date +%Y%m%d).tar.gz -C "$SOPHON_DATA" .',
  sql: "docker compose exec postgres pg_dump -U sophon sophon \\\n  > sophon-db-$(date +%Y%m%d).sql",
  dump: "docker compose exec postgres pg_dump -U sophon -Fc sophon \\\n  > sophon-db-$(date +%Y%m%d).dump",
  qdrant: `curl -fsS -H "api-key: $QDRANT_API_KEY" -X POST "$QDRANT_URL/collections/sophon/snapshots"
    docker compose cp qdrant:/qdrant/snapshots/sophon/. .`,
  redis: `docker compose exec redis redis-cli -a "$REDIS_PASSWORD" BGSAVE
    docker run --rm -v "$PROJECT"_redisdata:/data -v $(pwd):/backup \\
      ${pythonImage} tar czf /backup/redis-backup-$(date +%Y%m%d).tar.gz -C /data .`,
};

/** Copies parts of a stack by hand into a directory of its own. */
export async function byHand(stack: LabStack, ...parts: readonly PageCommand[]): Promise<string> {
  const place = join(stack.scratch, "by-hand");
  await mkdir(place, { recursive: true });
  const directory = await mkdtemp(`${place}/`);
  await chmod(directory, 0o755);
  const env = {
    ...process.env,
    ...stack.env,
    PROJECT: stack.projectName,
    QDRANT_URL: stack.qdrantUrl,
    COMPOSE_FILE: join(stack.directory, "docker-compose.yml"),
    COMPOSE_PROJECT_NAME: stack.projectName,
    COMPOSE_ENV_FILES: join(stack.directory, ".env"),
  };
  for (const part of parts) {
    // 1 is tar's word for a file that changed or went away meanwhile, which nobody at a prompt looks at.
    const script = `set -eu\n${commands[part]} || [ $? = 1 ]`;
    await run(["bash", "-c", script], { cwd: directory, env });
  }
  return directory;
}

/**
 * A snapshot without what `tar czf` loses: extended attributes, ACLs, holes, times below a second. A socket is in no
 * archive.
 */
export function asTarKeepsIt(snapshot: Snapshot): Snapshot {
  const files = Object.entries(snapshot.files as Record<string, string>).flatMap(([path, text]) => {
    const { mtime, xattrs: _xattrs, data: _data, ...kept } = JSON.parse(text);
    if (kept.kind === "socket") return [];
    const whole = mtime === undefined ? {} : { mtime: Math.floor(mtime / 1e9) };
    return [[path, JSON.stringify({ ...kept, ...whole })] as const];
  });
  return { ...snapshot, files: Object.fromEntries(files) };
}
