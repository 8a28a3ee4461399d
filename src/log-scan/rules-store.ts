import type { Rule } from "./rule.ts";

/** What data stores and their entry points say when they cannot start on their files. */
export const STORE_RULES: readonly Rule[] = [
  {
    name: "postgres-no-space",
    where: "postgres",
    lasts: "migration",
    class: "disk-full",
    source: "PostgreSQL 53100",
    pattern: /No space left on device/,
    example:
      '2026-01-02 03:04:05.678 UTC [31] PANIC:  could not write to file "pg_wal/xlogtemp.31": No space left on device',
    lookAlike: "2026-01-02 03:04:05.678 UTC [31] LOG:  checkpoint complete: wrote 3 buffers (0.0%)",
    meaning: "The database server has no room left to write.",
  },
  {
    name: "postgres-damaged",
    where: "postgres",
    lasts: "migration",
    class: "corruption",
    source: "PostgreSQL XX001",
    pattern:
      /invalid page in block|could not read block|page verification failed|could not locate a valid checkpoint|unexpected zero page|missing chunk number/,
    example:
      "2026-01-02 03:04:05.678 UTC [31] ERROR:  invalid page in block 0 of relation base/16384/16402",
    lookAlike:
      "2026-01-02 03:04:05.678 UTC [31] LOG:  database system was not properly shut down; automatic recovery in progress",
    meaning: "The database server found damaged pages.",
  },
  {
    name: "postgres-incompatible",
    where: "postgres",
    lasts: "started",
    class: "config",
    source: "PostgreSQL FATAL at start",
    pattern: /database files are incompatible with server/,
    example: "2026-01-02 03:04:05.678 UTC [1] FATAL:  database files are incompatible with server",
    lookAlike:
      "2026-01-02 03:04:05.678 UTC [1] LOG:  database system was shut down at 2026-01-02 03:04:00 UTC",
    meaning: "The database's files were written by another major version of PostgreSQL.",
  },
  {
    name: "postgres-panic",
    where: "postgres",
    lasts: "started",
    class: "crash",
    source: "PostgreSQL PANIC, start-up failures",
    pattern:
      /^(?:could not create lock file|could not open file ".{1,200}global\/pg_|could not (?:map anonymous|create|attach to) shared memory|could not create semaphores)/,
    example:
      "2026-01-02 03:04:05.678 UTC [1] FATAL:  could not map anonymous shared memory: Cannot allocate memory",
    lookAlike: '2026-01-02 03:04:05.678 UTC [71] FATAL:  role "root" does not exist',
    meaning: "The database server could not start.",
  },
  {
    name: "store-cannot-load",
    where: "raw",
    lasts: "started",
    class: "corruption",
    source: "redis",
    pattern:
      /Bad file format reading the append only file|Wrong signature trying to load DB|Short read or OOM loading DB/,
    example:
      "1:M 01 Jan 2026 00:00:00.000 # Bad file format reading the append only file: make a backup of your AOF file",
    lookAlike: "1:M 01 Jan 2026 00:00:00.000 * DB loaded from append only file: 0.001 seconds",
    meaning: "A store could not load its own files.",
  },
  {
    name: "store-incompatible",
    where: "raw",
    lasts: "started",
    class: "config",
    source: "redis, RabbitMQ, MySQL",
    pattern:
      /Can't handle RDB format version|BOOT FAILED|[Ff]eature flags .{0,60}(?:not supported|required)|Invalid MySQL server (?:up|down)grade|The Auto-upgrade process/,
    example: "BOOT FAILED",
    lookAlike:
      "2026-01-02 03:04:05.678000+00:00 [info] <0.230.0> Feature flags: list of feature flags found: quorum_queue",
    meaning: "A store refuses to start on the files of another version.",
  },
  {
    name: "postgres-cannot-start",
    where: "postgres",
    lasts: "started",
    store: true,
    class: "config",
    source: "PostgreSQL FATAL at start",
    pattern:
      /^(?:could not access file "|could not load library "|configuration file "[^"\n]{1,200}" contains errors|could not create any TCP\/IP sockets|could not access the server configuration file|lock file "postmaster\.pid" already exists|data directory "[^"\n]{1,200}" (?:does not exist|has (?:invalid permissions|wrong ownership))|unrecognized configuration parameter|invalid value for parameter)/,
    example:
      '2026-01-02 03:04:05.678 UTC [1] FATAL:  could not access file "timescaledb": No such file or directory',
    lookAlike:
      '2026-01-02 03:04:05.678 UTC [77] FATAL:  password authentication failed for user "root"',
    meaning:
      "The database server refuses its configuration, or a library that it needs is not in the image.",
  },
  {
    name: "postgres-entry-point",
    where: "failing",
    lasts: "ended",
    store: true,
    class: "config",
    source: "docker-library/postgres",
    pattern:
      /\b(?:in 18\+, these Docker images are configured to store database data|there appears to be PostgreSQL data in:|Database is uninitialized and (?:superuser )?password (?:option )?is not specified|initdb: error: |The data directory was initialized by PostgreSQL version)/,
    quote:
      /Counter to that, there appears to be PostgreSQL data in:\s+\S+(?: \([^)\n]{1,60}\))?|Database is uninitialized and [^\n]{1,120}/,
    example:
      'Error: in 18+, these Docker images are configured to store database data in a\n       format which is compatible with "pg_ctlcluster" (specifically, using\n       major-version-specific directory names).',
    lookAlike:
      "PostgreSQL Database directory appears to contain a database; Skipping initialization",
    meaning: "The database image's entry point refuses this volume or these settings.",
  },
  {
    name: "redis-cannot-load",
    where: "failing",
    lasts: "started",
    store: true,
    class: "corruption",
    source: "Redis, Valkey, KeyDB",
    pattern:
      /The AOF file \S+ doesn't exist|Fatal error: can't open the append log file|Unexpected end of file reading the append only file|Invalid AOF manifest file|The AOF manifest file .{0,120}(?:invalid|corrupt|missing)|Internal error in RDB reading|Wrong RDB checksum|RDB CRC error|Unrecoverable error reading the append only file|Error reading the (?:RDB preamble|append only file)/,
    example: "1:M 01 Jan 2026 00:00:00.000 # The AOF file appendonly.aof.7.incr.aof doesn't exist",
    lookAlike:
      "1:M 01 Jan 2026 00:00:00.000 # !!! Warning: short read while loading the AOF file appendonly.aof.7.incr.aof!!!\n1:M 01 Jan 2026 00:00:00.001 # AOF loaded anyway because aof-load-truncated is enabled",
    meaning: "A file of the store's data set is missing or damaged.",
  },
  {
    name: "redis-not-loaded",
    where: "failing",
    lasts: "started",
    store: true,
    otherwise: "corruption",
    source: "Redis, Valkey, KeyDB",
    pattern: /Fatal error loading the DB/,
    example:
      "1:M 01 Jan 2026 00:00:00.000 # Fatal error loading the DB, check server logs. Exiting.",
    lookAlike: "1:M 01 Jan 2026 00:00:00.000 * Done loading RDB, keys loaded: 7, keys expired: 0.",
    meaning: "The store could not load its own files.",
  },
  {
    name: "redis-refuses",
    where: "failing",
    lasts: "ended",
    store: true,
    class: "config",
    source: "Redis, Valkey, KeyDB",
    pattern:
      /FATAL CONFIG FILE ERROR|Fatal error, can't open config file|Can't chdir to |Can't open or create append-only dir|Could not create server (?:TCP|TLS) listening socket|Failed listening on port/,
    quote: /FATAL CONFIG FILE ERROR[\s\S]{0,300}?\n((?:>>> [^\n]{1,200}\n)?[A-Z][^\n>]{5,200})\s*$/,
    example:
      "1:M 01 Jan 2026 00:00:00.000 # Can't open or create append-only dir appendonlydir: Permission denied",
    lookAlike:
      "1:M 01 Jan 2026 00:00:00.000 # Warning: no config file specified, using the default config. In order to specify a config file use redis-server /path/to/redis.conf",
    meaning: "The store refuses its configuration or its folder.",
  },
  {
    name: "redis-crashed",
    where: "failing",
    lasts: "ended",
    store: true,
    class: "crash",
    source: "Redis, Valkey, KeyDB",
    pattern:
      /REDIS BUG REPORT START|VALKEY BUG REPORT START|\bcrashed by signal: \d|Out Of Memory allocating \d+ bytes|ASSERTION FAILED ===/,
    example: "1:M 01 Jan 2026 00:00:00.000 # Redis 7.4.1 crashed by signal: 11, si_code: 1",
    lookAlike:
      "1:C 01 Jan 2026 00:00:00.000 # WARNING Memory overcommit must be enabled! Without it, a background save or replication may fail under low memory condition.",
    meaning: "The store crashed.",
  },
  {
    name: "qdrant-cannot-load",
    where: "failing",
    lasts: "started",
    store: true,
    otherwise: "crash",
    source: "Qdrant",
    pattern:
      /Failed to load (?:local )?shard|^Service (?:internal )?error: |Can't init WAL|Wal error: |Cannot upgrade version \S+ to|Failed to (?:load|open) (?:segment|collection|raft state)|Can't (?:load|recover) (?:collection|segment|shard)/,
    example:
      '2026-01-02T03:04:05.678901Z ERROR qdrant::startup: Failed to load local shard "./storage/collections/docs/0"',
    lookAlike:
      "2026-01-02T03:04:05.678901Z  WARN qdrant: There is a potential issue with the filesystem for storage path ./storage. Details: Unrecognized filesystem",
    meaning: "The store could not load its collections.",
  },
  {
    name: "rabbitmq-not-booted",
    where: "failing",
    lasts: "ended",
    store: true,
    otherwise: "config",
    source: "RabbitMQ, Erlang",
    pattern:
      /^BOOT FAILED|^Kernel pid terminated|^Runtime terminating during boot|^init terminating in do_boot|Error (?:during startup|when reading \S*\.erlang\.cookie): ?|Cookie file \S+ must be accessible by owner only|required feature flag not enabled|disabled_required_feature_flag|failed_to_initialize_feature_flags|schema_integrity_check_failed|inconsistent_cluster|incompatible_feature_flags|^Error generating configuration in phase|^Conf file attempted to set unknown variable|^You've tried to set \S{1,80}, but there is no setting|\{"Kernel pid terminated"/m,
    quote: /((?:Error during startup|Feature flags: |Error when reading|Cookie file)[^\n]{3,300})/,
    example: "2026-01-02 03:04:05.678000+00:00 [error] <0.254.0> BOOT FAILED",
    lookAlike:
      "2026-01-02 03:04:05.678000+00:00 [error] <0.812.0> closing AMQP connection <0.812.0> (172.18.0.5:51234 -> 172.18.0.4:5672):\nmissed heartbeats from client, timeout: 60s",
    meaning: "The broker refuses to start on its data, or on these settings.",
  },
];
