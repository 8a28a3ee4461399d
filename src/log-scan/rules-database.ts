import type { Rule } from "./rule.ts";

/** What database servers that are no store of their own here say: MySQL, MariaDB, Elasticsearch, MongoDB. */
export const DATABASE_RULES: readonly Rule[] = [
  {
    name: "mysql-refuses",
    where: "failing",
    lasts: "ended",
    store: true,
    class: "config",
    source: "MySQL, MariaDB",
    pattern:
      /Invalid MySQL server (?:up|down)grade|Different lower_case_table_names settings|Unable to lock \.\/ibdata1|Do you already have another (?:mysqld|mariadbd|server)|Can't start server: |Unsupported redo log format|Upgrade after a crash is not supported|\bunknown (?:variable|option) '|Failed to initialize DD Storage Engine|Data Dictionary (?:initialization failed|upgrade .{0,60}not)|Unknown\/unsupported storage engine: InnoDB|Can't open and lock privilege tables|Fatal error: Can't|Plugin initialization aborted/,
    example:
      "2026-01-02T03:04:05.678901Z 0 [ERROR] [MY-000067] [Server] unknown variable 'query_cache_size=0'.",
    lookAlike:
      "2026-01-02  3:04:05 0 [Warning] 'innodb-log-files-in-group' was removed. It does nothing now and exists only for compatibility with old my.cnf files.",
    meaning: "The database server refuses the files or the settings of another version.",
  },
  {
    name: "mysql-aborts",
    where: "error",
    lasts: "ended",
    store: true,
    otherwise: "config",
    after: true,
    source: "MySQL, MariaDB",
    pattern: /^(?:\[MY-\d{6}\] \[\w{1,20}\] )?Aborting$/,
    example: "2026-01-02T03:04:05.678901Z 0 [ERROR] [MY-010119] [Server] Aborting",
    lookAlike:
      "2026-01-02  3:04:05 7 [Warning] Aborted connection 7 to db: 'app' user: 'app' host: '172.18.0.5' (Got an error reading communication packets)",
    meaning: "The database server gave up its start.",
  },
  {
    name: "mysql-damaged",
    where: "failing",
    lasts: "started",
    store: true,
    class: "corruption",
    source: "MySQL, MariaDB",
    pattern:
      /Database page corruption on disk|Corruption of an index tree|is in the future! Current system log sequence number|InnoDB: .{0,120}\bcorrupt(?:ed|ion)?\b|Missing (?:MLOG_|FILE_)CHECKPOINT|Cannot find checkpoint/,
    example:
      "2026-01-02  3:04:05 0 [ERROR] InnoDB: Database page corruption on disk or a failed read of file './gateway/nodes.ibd' page [page id: space=9, page number=3].",
    lookAlike:
      "2026-01-02  3:04:05 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=47993",
    meaning: "The database server found damaged files.",
  },
  {
    name: "mysql-crashed",
    where: "any",
    lasts: "ended",
    store: true,
    class: "crash",
    source: "MySQL, MariaDB",
    pattern: /\b(?:mysqld|mariadbd) got (?:signal|exception)|InnoDB: Assertion failure/,
    example: "260102  3:04:05 [ERROR] mysqld got signal 11 ;",
    lookAlike:
      "2026-01-02T03:04:05.678901Z 0 [System] [MY-013172] [Server] Received SHUTDOWN from user <via user signal>. Shutting down mysqld (Version: 8.4.3).",
    meaning: "The database server crashed.",
  },
  {
    name: "elasticsearch-refuses",
    where: "error",
    lasts: "ended",
    store: true,
    otherwise: "config",
    source: "Elasticsearch, OpenSearch",
    pattern:
      /fatal exception while booting|node validation exception|bootstrap check failure|uncaught exception in thread \[main\]/,
    quote: /bootstrap check failure \[1\] of \[\d{1,3}\]: ([^\n]{1,300})/,
    example:
      '{"@timestamp":"2026-01-02T03:04:05.678Z","log.level":"ERROR","message":"fatal exception while booting Elasticsearch","error.type":"java.lang.IllegalStateException","error.message":"failed to obtain node locks, tried [/data]"}',
    lookAlike:
      '{"@timestamp":"2026-01-02T03:04:05.678Z","log.level":"WARN","message":"max file descriptors [4096] for elasticsearch process is too low, increase to at least [65535]"}',
    meaning: "The search server refuses the host, its settings or its files.",
  },
  {
    name: "mongodb-refuses",
    where: "failing",
    lasts: "ended",
    store: true,
    otherwise: "config",
    source: "MongoDB",
    pattern:
      /exception in initAndListen|DBException in initAndListen|too recent to start up on the existing data files|Invalid featureCompatibilityVersion document|UPGRADE PROBLEM|Wrong mongod version|Failed to start up WiredTiger|unsupported WiredTiger file version|requires a CPU with AVX support/i,
    example:
      '{"t":{"$date":"2026-01-02T03:04:05.678+00:00"},"s":"E","c":"CONTROL","id":20557,"ctx":"initandlisten","msg":"DBException in initAndListen, terminating","attr":{"error":"Location4926900: Invalid featureCompatibilityVersion document"}}',
    lookAlike:
      '{"t":{"$date":"2026-01-02T03:04:05.678+00:00"},"s":"W","c":"STORAGE","id":22271,"ctx":"initandlisten","msg":"Detected unclean shutdown - Lock file is not empty","attr":{"lockFile":"/data/db/mongod.lock"}}',
    meaning: "The database server refuses the files of another version, or its folder.",
  },
  {
    name: "mongodb-damaged",
    where: "error",
    lasts: "ended",
    store: true,
    class: "corruption",
    source: "MongoDB, WiredTiger",
    pattern:
      /WT_PANIC|WT_TRY_SALVAGE|checksum mismatch|encountered an illegal file format|__wt_block_read/,
    example:
      '{"t":{"$date":"2026-01-02T03:04:05.678+00:00"},"s":"E","c":"WT","id":22435,"ctx":"initandlisten","msg":"WiredTiger error","attr":{"error":-31804,"message":"WT_PANIC: WiredTiger library panic"}}',
    lookAlike:
      '{"t":{"$date":"2026-01-02T03:04:05.678+00:00"},"s":"I","c":"STORAGE","id":22430,"ctx":"initandlisten","msg":"WiredTiger message","attr":{"message":"recovery log replay has successfully finished"}}',
    meaning: "The database server found damaged files.",
  },
];
