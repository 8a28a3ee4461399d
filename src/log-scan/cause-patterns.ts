import type { FailureClass } from "./failure-class.ts";

/** A wording that tells why something failed, in addition to the codes in `error-codes.ts`. */
export interface Cause {
  readonly name: string;
  readonly class: FailureClass;
  readonly pattern: RegExp;
  /** A text that the pattern must find. */
  readonly example: string;
  /** Who writes it. */
  readonly source: string;
}

const net = "dotnet/runtime";
const pg = "PostgreSQL, npgsql/npgsql";
const app = "applications' own words";

/** Data that a later version changed, in the words of applications and of migration tools. */
export const NEWER_SCHEMA =
  /\bdowngrad(?:e|ing)\b.{0,60}(?:not (?:supported|allowed|possible)|unsupported|refus)|(?:database|schema|data|db)\b.{0,100}\b(?:is|are|was|version is) (?:created by a |from a |at a )?newer\b|\bnewer (?:version|schema|database)\b.{0,60}\b(?:than|of)|(?:cannot|can't|unable to) downgrade|unknown migration|does not support migrating from state|\b(?:database|schema|db)\b.{0,30}\bversion\b.{0,60}\b(?:but\b.{0,40}\b(?:largest|latest|highest|newest|maximum|max)\b.{0,30}\b(?:supported|known)|too (?:new|high)|(?:higher|greater|newer|later) than)|\b(?:database|data|schema|volume|repository|profile)\b.{0,40}\b(?:created|written|initiali[sz]ed|upgraded|migrated|modified|used|opened) (?:by|with|in|to) an? (?:newer|later|more recent|higher)\b|\bfor a newer \w+, you can ?not|\b(?:database|schema|data)\b.{0,40}\btoo new for\b|\b(?:database|db|data)\b.{0,30}\bversion\b.{0,40}\bincompatible with\b|Can't locate revision identified by|was previously applied but is missing|VersionMissing|Detected applied migration not resolved locally|no migration found for version|The migration directory is corrupt|but its file is missing|UnknownMigrationVersion|Cannot upgrade version \S+ to|cannot (?:up|down)grade a node from version/i;

/** Wordings of causes; when several fit, the gravest class is taken. */
export const CAUSES: readonly Cause[] = [
  {
    name: "no-space",
    class: "disk-full",
    source: "errno ENOSPC",
    example: "System.IO.IOException: No space left on device : '/data/sophon.db'",
    pattern:
      /No space left on device|There is not enough space on the disk|disk is full\b|\bENOSPC\b|Disk quota exceeded/i,
  },
  {
    name: "sqlite-full",
    class: "disk-full",
    source: "SQLite",
    example: "database or disk is full",
    pattern: /database or disk is full/i,
  },
  {
    name: "sql-server-full",
    class: "disk-full",
    source: "SQL Server 1105, 9002",
    example:
      "Could not allocate space for object 'dbo.Jobs' in database 'app' because the 'PRIMARY' filegroup is full.",
    pattern: /Could not allocate space for object|transaction log for database .{1,80} is full/i,
  },
  {
    name: "damaged-page",
    class: "corruption",
    source: "PostgreSQL XX001",
    example: "invalid page in block 0 of relation base/16384/16402",
    pattern:
      /invalid page in block \d|could not read block \d+|page verification failed|could not locate a valid checkpoint record|unexpected zero page|invalid primary checkpoint record|missing chunk number \d+ for toast/i,
  },
  {
    name: "sqlite-malformed",
    class: "corruption",
    source: "SQLite 11, 26",
    example: "database disk image is malformed",
    pattern:
      /database disk image is malformed|file is not a database|malformed database schema|disk I\/O error|Database file.{1,120} is corrupt|CorruptDatabaseException/i,
  },
  {
    name: "redis-damaged",
    class: "corruption",
    source: "redis",
    example:
      "Bad file format reading the append only file: make a backup of your AOF file, then use ./redis-check-aof --fix <filename>",
    pattern:
      /Bad file format reading the append only file|Short read or OOM loading DB|Wrong signature trying to load DB/i,
  },
  {
    name: "access-denied",
    class: "database-auth",
    source: pg,
    example: 'password authentication failed for user "sophon"',
    pattern:
      /password authentication failed|no pg_hba\.conf entry|permission denied (?:for|to) (?:schema|table|relation|database|sequence|function|language|create|set|view|extension|tablespace)|must be (?:owner|superuser|member)|role "[^"\n]{1,80}" does not exist|No password has been provided but the backend requires one|NOAUTH Authentication required|WRONGPASS/i,
  },
  {
    name: "login-failed",
    class: "database-auth",
    source: "SQL Server 18456, MySQL 1045",
    example: "Login failed for user 'sa'.",
    pattern:
      /Login failed for user|Access denied for user|Cannot open database ".{1,80}" requested by the login/i,
  },
  {
    name: "lock-not-had",
    class: "lock-timeout",
    source: "PostgreSQL 55P03, 57014; SQLite 5, 6; SQL Server; MySQL 1205",
    example: "canceling statement due to lock timeout",
    pattern:
      /canceling statement due to (?:lock|statement) timeout|deadlock detected|could not obtain lock|Lock wait timeout exceeded|Lock request time out period exceeded|database(?: table)? is locked|was deadlocked on|Migration(?: table)? is already locked|\bMigrationLocked\b|Could not acquire change log lock|ConcurrentMigrationError|trying to acquire a postgres advisory lock|Execution Timeout Expired|Timeout expired\.\s+The timeout period elapsed prior to completion/i,
  },
  {
    name: "command-timeout",
    class: "lock-timeout",
    source: "npgsql/npgsql, a command that waits",
    example:
      "Npgsql.NpgsqlException (0x80004005): Exception while reading from stream\n ---> System.TimeoutException: Timeout during reading attempt",
    pattern:
      /Timeout during reading attempt|Exception while reading from stream[\s\S]{0,200}TimeoutException/i,
  },
  {
    name: "lock-wait-ended",
    class: "lock-timeout",
    source: "dotnet/efcore SqliteHistoryRepository",
    example:
      "System.Threading.Tasks.TaskCanceledException: A task was canceled.\n   at Microsoft.EntityFrameworkCore.Sqlite.Migrations.Internal.SqliteHistoryRepository.AcquireDatabaseLockAsync(CancellationToken cancellationToken)",
    pattern: /(?:Canceled|Timeout)Exception[\s\S]{0,1500}?HistoryRepository\.<?AcquireDatabaseLock/,
  },
  {
    name: "newer-schema",
    class: "schema-conflict",
    source: app,
    example:
      "Database schema 20251118_AddTenants is newer than this build (20250930_AddQuota); downgrade is not supported, refusing to start.",
    pattern: NEWER_SCHEMA,
  },
  {
    name: "migration-not-found",
    class: "schema-conflict",
    source: "dotnet/efcore MigrationNotFound",
    example: "The migration '20251118101500_AddTenants' was not found.",
    pattern: /The migration '[^'\n]{1,200}' was not found/i,
  },
  {
    name: "history-differs",
    class: "schema-conflict",
    source: "Django, Flyway, Liquibase, Hibernate, sqlx",
    example: "Migration checksum mismatch for migration version 2",
    pattern:
      /InconsistentMigrationHistory|Migration checksum mismatch|Migrations have failed validation|Validation Failed:\s+\d+ change ?sets? check ?sum|Schema-validation: (?:missing|wrong)|was previously applied but has been modified|VersionMismatch|upgrading from \S{1,40} to \S{1,40} is not supported/i,
  },
  {
    name: "object-exists",
    class: "schema-conflict",
    source: "PostgreSQL, SQL Server 2714, MySQL 1050, 1060",
    example: "There is already an object named 'Jobs' in the database.",
    pattern:
      /There is already an object named|Column names in each table must be unique|Duplicate column name|duplicate column name|(?:relation|table|column|type|schema|constraint|index|trigger|view|function|sequence) ["'`\u00bb\u201c].{1,200}["'`\u00ab\u201d] .{0,80}(?:already exists|existiert bereits|existe d\u00e9j\u00e0|ya existe|j\u00e1 existe|esiste gi\u00e0)|Table '[^'\n]{1,120}' already exists|Duplicate key name|Can't DROP .{1,160}; check that (?:it|column\/key) exists/i,
  },
  {
    name: "object-missing",
    class: "schema-conflict",
    source: "PostgreSQL, SQLite, SQL Server 208, MySQL 1146",
    example: "Invalid object name 'Jobs'.",
    pattern:
      /Invalid object name '|Invalid column name '|no such (?:table|column|index|view|trigger)\b|(?:relation|column|table|type|schema|constraint|index|sequence) ["\u00bb\u201c].{1,200}["\u00ab\u201d] (?:of relation .{1,120} )?(?:does not exist|existiert nicht|n'existe pas|no existe|n\u00e3o existe|non esiste)|Table '[^'\n]{1,120}' doesn't exist|Unknown column '|Cannot find the object/i,
  },
  {
    name: "pending-model-changes",
    class: "migration",
    source: "dotnet/efcore 20409",
    example:
      "An error was generated for warning 'Microsoft.EntityFrameworkCore.Migrations.PendingModelChangesWarning': The model for context 'AppDbContext' has pending changes.",
    pattern:
      /PendingModelChangesWarning|The model for context '[^'\n]{1,200}' (?:has pending changes|changes each time)/,
  },
  {
    name: "data-violates",
    class: "migration",
    source: "PostgreSQL 23xxx, SQLite 19, MySQL 1062",
    example: 'could not create unique index "IX_Accounts_Email"',
    pattern:
      /could not create unique index|violates (?:unique|not-null|foreign key|check) constraint|(?:UNIQUE|NOT NULL|FOREIGN KEY|CHECK) constraint failed|Duplicate entry '.{1,200}' for key|The CREATE UNIQUE INDEX statement terminated|Cannot insert duplicate key row|Violation of (?:UNIQUE|PRIMARY) KEY constraint|conflicted with the (?:FOREIGN KEY|CHECK|REFERENCE|COLUMN)|Cannot insert the value NULL into column|String or binary data would be truncated|a foreign key constraint fails|Data (?:too long|truncated) for column|contains null values|cannot be cast automatically/i,
  },
  {
    name: "no-provider",
    class: "config",
    source: "dotnet/efcore NoProviderConfigured",
    example:
      "System.InvalidOperationException: No database provider has been configured for this DbContext.",
    pattern:
      /No database provider has been configured|ConnectionString property has not been initialized|Format of the initialization string does not conform|(?:Keyword|Couldn't set).{0,60}(?:not supported|connection string)|Host can't be null|The ConnectionString|[Cc]onnection string.{0,60}(?:not (?:found|set|configured|specified)|missing|empty|is null)|parameter '?(?:connectionString|configuration)'?|Connection\.set_ConnectionString\(/i,
  },
  {
    name: "unresolved-service",
    class: "config",
    source: "dotnet/runtime dependency injection",
    example: "Unable to resolve service for type 'IClock' while attempting to activate 'Jobs'.",
    pattern:
      /(?:Unable to resolve service for|Could not resolve a service of) type|Some services are not able to be constructed|No service for type '.{1,200}' has been registered|Unable to activate type|A circular dependency was detected|Nest can't resolve dependencies of/i,
  },
  {
    name: "read-only",
    class: "config",
    source: "errno EROFS, EACCES; SQLite 8",
    example: "System.IO.IOException: Read-only file system : '/data/sophon.db'",
    pattern:
      /Read-only file system|attempt to write a readonly database|Access to the path '?.{1,200}'? is denied|unable to open database file|Permission denied(?! \((?!os error))|cannot execute .{1,40} in a read-only transaction/i,
  },
  {
    name: "missing-setting",
    class: "config",
    source: "Microsoft.Extensions.Options, configuration",
    example:
      "Microsoft.Extensions.Options.OptionsValidationException: The ApiKey field is required.",
    pattern:
      /OptionsValidationException|(?:environment variable|setting|configuration (?:value|key|section)|option)s? .{0,80}\b(?:is|are|was) (?:not set|missing|required|invalid|not configured)|missing required (?:environment|config)|The configuration file '.{1,200}' was not found|InvalidDataException: Failed to load configuration|JsonReaderException|ImproperlyConfigured\b|^Missing `\w{1,60}` for|No application encryption key has been specified|Unable to open config(?:uration)? file|Failed to bind to address|address already in use/i,
  },
  {
    name: "missing-assembly",
    class: "config",
    source: `${net} loader`,
    example:
      "System.IO.FileNotFoundException: Could not load file or assembly 'Foo, Version=1.0.0.0'.",
    pattern:
      /Could not load file or assembly|Prisma Client could not locate the Query Engine|Cannot find (?:module|package) '|\bNo module named\b|(?:ClassNotFoundException|NoClassDefFoundError): |Could not load type '|Method not found: '|Unable to load shared library '|Unable to load DLL '|TypeLoadException|MissingMethodException/,
  },
  {
    name: "runtime-missing",
    class: "config",
    source: "dotnet/runtime hostfxr",
    example: "You must install or update .NET to run this application.",
    pattern:
      /You must install or update \.NET|compatible framework version|The specified framework '[^'\n]{1,80}'.{0,40} was not found|Framework: '.{1,80}', version '.{1,40}'|Couldn't find a valid ICU package|libhostfxr\.so|exec format error|error while loading shared libraries/i,
  },
  {
    name: "incompatible-files",
    class: "config",
    source: "PostgreSQL, redis: files of another major version",
    example: "database files are incompatible with server",
    pattern:
      /database files are incompatible with server|data directory was initialized by PostgreSQL version|Can't handle RDB format version/i,
  },
  {
    name: "unreachable",
    class: "database-connection",
    source: pg,
    example: "Npgsql.NpgsqlException (0x80004005): Failed to connect to 172.18.0.2:5432",
    pattern:
      /Failed to connect to|Can't reach database server|\btcp connect \([^)\n]{1,120}\): |connection not available and request was dropped from queue|dial tcp: lookup \S{1,80}|no such host\b|\b(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)\b|could not connect to server|could not translate host name|Connection to \S{1,120} refused|Communications link failure|Exception during pool initialization|Connection refused|Name or service not known|Temporary failure in name resolution|Resource temporarily unavailable|No route to host|Network is unreachable|nodename nor servname|the database system is (?:starting up|shutting down|in recovery mode|not yet accepting connections)|sorry, too many clients already|remaining connection slots are reserved|server closed the connection unexpectedly|terminating connection due to administrator command|Unable to connect to any of the specified MySQL hosts|MySqlException[^\n]{0,40}: Couldn't connect to server|A network-related or instance-specific error|Exception while (?:connecting|reading from stream|writing to stream)|connection is broken|Connection reset by peer|Connection timed out|The operation has timed out|database "[^"\n]{1,80}" does not exist|connection pool has been exhausted|It was not possible to connect to the redis server|None of the specified endpoints were reachable|Unknown database '|RetryLimitExceededException|raised that is likely due to a transient failure/i,
  },
  {
    name: "logging-in",
    class: "database-auth",
    source: "npgsql/npgsql, the frames alone of a login that was refused",
    example:
      "   at Npgsql.Internal.NpgsqlConnector.AuthenticateSASL(List`1 mechanisms, String username)",
    pattern: /\bNpgsqlConnector\.<?Authenticate(?:SASL|MD5|ClearText|Cleartext)\b/,
  },
  {
    name: "opening-connection",
    class: "database-connection",
    source: "dotnet/efcore, the frames alone of a connection that could not be opened",
    example:
      "   at Microsoft.EntityFrameworkCore.Storage.RelationalConnection.OpenInternalAsync(Boolean errorsExpected, CancellationToken cancellationToken)",
    pattern:
      /\b(?:RelationalConnection|NpgsqlConnector|NpgsqlConnection|SqlConnection|MySqlConnection)\.<?(?:Try)?Open(?:Internal)?(?:Async)?\b/,
  },
  {
    name: "out-of-memory",
    class: "crash",
    source: net,
    example:
      "System.OutOfMemoryException: Exception of type 'System.OutOfMemoryException' was thrown.",
    pattern:
      /OutOfMemoryException|Out of memory\b|GC heap initialization failed|OOMKilled|AccessViolationException|Stack overflow|Segmentation fault|StackOverflowException|core dumped|Fatal error\. /,
  },
];
