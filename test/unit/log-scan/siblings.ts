import type { FailureClass } from "../../../src/log-scan/failure-class.ts";

/** A log of a program that is not .NET: how it ends, and the classes that a person would accept. */
export interface Sibling {
  readonly about: string;
  readonly classes: readonly FailureClass[];
  readonly text: string;
  /** It stands in a wrapper of its own. */
  readonly wrapped: boolean;
}

/** Text that already has a wrapper is not put into another one. */
export function broken(classes: string, about: string, text: string): Sibling {
  return {
    about,
    classes: classes.split(",") as FailureClass[],
    text,
    wrapped: /^(?:<\d|\{"log|\{"__)/.test(text),
  };
}

/** Starts that failed, in the words of other migration tools, runtimes and stores. */
export const failing: readonly Sibling[] = [
  broken(
    "schema-conflict",
    "alembic",
    "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.\nERROR [alembic.util.messaging] Can't locate revision identified by '8ac14e223d1e'\nFAILED: Can't locate revision identified by '8ac14e223d1e'\n",
  ),
  broken(
    "schema-conflict",
    "alembic dup",
    'INFO  [alembic.runtime.migration] Running upgrade 1 -> 2, x\nTraceback (most recent call last):\n  File "/usr/lib/python3/site-packages/sqlalchemy/engine/base.py", line 1, in x\n    y\npsycopg2.errors.DuplicateColumn: column "region" of relation "nodes" already exists\n\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File "/usr/lib/python3/site-packages/alembic/command.py", line 1, in x\n    y\nsqlalchemy.exc.ProgrammingError: (psycopg2.errors.DuplicateColumn) column "region" of relation "nodes" already exists\n\n[SQL: ALTER TABLE nodes ADD COLUMN region TEXT]\n(Background on this error at: https://sqlalche.me/e/20/f405)\n',
  ),
  broken(
    "schema-conflict",
    "django dup",
    'Operations to perform:\n  Apply all migrations: jobs\nRunning migrations:\n  Applying jobs.0002_region...Traceback (most recent call last):\n  File "/usr/lib/python3/site-packages/django/db/backends/utils.py", line 89, in _execute\n    return self.cursor.execute(sql, params)\npsycopg.errors.DuplicateTable: relation "nodes" already exists\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File "/app/manage.py", line 22, in <module>\n    main()\n  File "/usr/lib/python3/site-packages/django/db/migrations/executor.py", line 1, in x\ndjango.db.utils.ProgrammingError: relation "nodes" already exists\n',
  ),
  broken(
    "schema-conflict",
    "django inconsistent",
    "Traceback (most recent call last):\n  File \"/app/manage.py\", line 22, in <module>\n    main()\ndjango.db.migrations.exceptions.InconsistentMigrationHistory: Migration jobs.0002_region is applied before its dependency nodes.0001_initial on database 'default'.\n",
  ),
  broken(
    "schema-conflict",
    "prisma P3018",
    'Prisma schema loaded from prisma/schema.prisma\nDatasource "db": PostgreSQL database "app", schema "public" at "db:5432"\n\n12 migrations found in prisma/migrations\n\nApplying migration `20260101_region`\nError: P3018\n\nA migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\nMigration name: 20260101_region\n\nDatabase error code: 42701\n\nDatabase error:\nERROR: column "region" of relation "nodes" already exists\n',
  ),
  broken(
    "migration",
    "prisma P3009",
    "12 migrations found in prisma/migrations\n\nError: P3009\n\nmigrate found failed migrations in the target database, new migrations will not be applied. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\nThe `20260101_region` migration started at 2026-01-01 09:00:00.1 UTC failed\n",
  ),
  broken(
    "database-connection",
    "prisma P1001",
    "Error: P1001: Can't reach database server at `db:5432`\n\nPlease make sure your database server is running at `db:5432`.\n",
  ),
  broken(
    "schema-conflict",
    "typeorm",
    'query: SELECT VERSION();\nError during migration run:\nQueryFailedError: column "region" of relation "nodes" already exists\n    at PostgresQueryRunner.query (/app/node_modules/typeorm/driver/postgres/PostgresQueryRunner.js:219:19)\n  code: \'42701\',\n',
  ),
  broken(
    "schema-conflict",
    "n8n migration",
    'Initializing n8n process\nMigrations in progress, please do NOT stop the process.\nStarting migration AddRegion1767225600000\nMigration "AddRegion1767225600000" failed, error: column "region" of relation "nodes" already exists\nThere was an error running database migrations\ncolumn "region" of relation "nodes" already exists\n',
  ),
  broken(
    "schema-conflict",
    "knex",
    'migration file "20260101_region.js" failed\nmigration failed with error: alter table "nodes" add column "region" varchar(255) - column "region" of relation "nodes" already exists\n',
  ),
  broken(
    "schema-conflict",
    "knex missing",
    "Error: The migration directory is corrupt, the following files are missing: 20260101_region.js\n    at validateMigrationList (/app/node_modules/knex/lib/migrations/migrate/Migrator.js:1:1)\n",
  ),
  broken(
    "lock-timeout",
    "knex lock",
    "Can't take lock to run migrations: Migration table is already locked\nIf you are sure migrations are not running you can release the lock manually by running 'knex migrate:unlock'\nMigrationLocked: Migration table is already locked\n",
  ),
  broken(
    "schema-conflict",
    "sequelize",
    '== 20260101-region: migrating =======\n\nERROR: column "region" of relation "nodes" already exists\n',
  ),
  broken(
    "schema-conflict",
    "flyway checksum",
    "2026-03-02T09:00:00.678Z ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed\n\norg.springframework.beans.factory.BeanCreationException: Error creating bean with name 'flywayInitializer': Validate failed: Migrations have failed validation\n\tat org.springframework.beans.X.y(X.java:1)\nCaused by: org.flywaydb.core.api.exception.FlywayValidateException: Validate failed: Migrations have failed validation\nMigration checksum mismatch for migration version 2\n",
  ),
  broken(
    "schema-conflict",
    "flyway cli",
    "Flyway Community Edition 10.1\nERROR: Validate failed: Migrations have failed validation\nDetected applied migration not resolved locally: 5.\n",
  ),
  broken(
    "schema-conflict",
    "liquibase",
    '2026-03-02T09:00:00.678Z ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed\nliquibase.exception.MigrationFailedException: Migration failed for changeset db/changelog.xml::12::ops:\n     Reason: liquibase.exception.DatabaseException: ERROR: column "region" of relation "nodes" already exists [Failed SQL: (0) ALTER TABLE public.nodes ADD region TEXT]\n',
  ),
  broken(
    "lock-timeout",
    "liquibase lock",
    "2026-03-02T09:00:00.678Z  INFO 1 --- [           main] liquibase.lockservice                    : Waiting for changelog lock....\nliquibase.exception.LockException: Could not acquire change log lock.  Currently locked by gateway (172.18.0.5) since 3/2/26, 8:00 AM\n",
  ),
  broken(
    "schema-conflict",
    "hibernate validate",
    "Caused by: org.hibernate.tool.schema.spi.SchemaManagementException: Schema-validation: missing column [region] in table [nodes]\n\tat org.hibernate.X.y(X.java:1)\n",
  ),
  broken(
    "schema-conflict",
    "rails dup",
    '== 20260101000000 AddRegion: migrating ======================================\n-- add_column(:nodes, :region, :string)\nbin/rails aborted!\nStandardError: An error has occurred, this and all later migrations canceled:\n\nPG::DuplicateColumn: ERROR:  column "region" of relation "nodes" already exists\n/app/db/migrate/20260101_add_region.rb:3:in `change\'\n',
  ),
  broken(
    "migration",
    "rails pending",
    "=> Booting Puma\n=> Rails 7.1.3 application starting in production\nExiting\n/usr/local/bundle/gems/activerecord-7.1.3/lib/active_record/migration.rb:800:in `check_pending_migrations': (ActiveRecord::PendingMigrationError)\n\nMigrations are pending. To resolve this issue, run:\n\n        bin/rails db:migrate RAILS_ENV=production\n",
  ),
  broken(
    "schema-conflict",
    "laravel",
    "   INFO  Running migrations.\n\n  2026_01_01_000000_create_nodes_table .................. 12.03ms FAIL\n\nIn Connection.php line 829:\n\n  SQLSTATE[42S01]: Base table or view already exists: 1050 Table 'nodes' already exists (Connection: mysql, SQL: create table `nodes` (`id` bigint))\n",
  ),
  broken(
    "database-connection",
    "laravel conn",
    "\nIn Connection.php line 829:\n\n  SQLSTATE[HY000] [2002] Connection refused (Connection: mysql, SQL: select * from information_schema.tables)\n",
  ),
  broken(
    "schema-conflict",
    "nextcloud downgrade",
    "Initializing nextcloud 28.0.0.11 ...\nCan't start Nextcloud because the version of the data (29.0.1.1) is higher than the docker image version (28.0.0.11) and downgrading is not supported. Are you sure you have pulled the newest image version?\n",
  ),
  broken(
    "schema-conflict",
    "nextcloud skip",
    "Can't start Nextcloud because upgrading from 25.0.4.1 to 29.0.0.19 is not supported.\nIt is only possible to upgrade one major version at a time.\n",
  ),
  broken(
    "schema-conflict",
    "sqlx missing",
    "2026-03-02T09:00:00.678901Z  INFO app: starting\nError: migration 20260101000000 was previously applied but is missing in the resolved migrations\n",
  ),
  broken(
    "migration",
    "sqlx dirty",
    "Error: migration 20260101000000 is partially applied; fix and remove row from `_sqlx_migrations` table\n",
  ),
  broken(
    "migration",
    "golang-migrate",
    "2026/03/02 09:00:00 error: Dirty database version 16. Fix and force version.\n",
  ),
  broken(
    "schema-conflict",
    "golang-migrate none",
    'time="2026-03-02T09:00:00Z" level=fatal msg="failed to migrate" error="no migration found for version 17: read down for version 17 .: file does not exist"\n',
  ),
  broken(
    "schema-conflict",
    "go panic",
    '2026/03/02 09:00:00 starting\npanic: failed to migrate: ERROR: column "region" of relation "nodes" already exists (SQLSTATE 42701)\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d\nexit status 2\n',
  ),
  broken(
    "schema-conflict",
    "gitea",
    "2026/03/02 09:00:00 cmd/web.go:242:runWeb() [I] Starting Gitea on PID: 17\n2026/03/02 09:00:01 routers/common/db.go:31:InitDBEngine() [E] ORM engine initialization attempt #10/10 failed. Error: migrate: Your database (migration version: 305) is for a newer Gitea, you can not use the newer database for this old Gitea release (299).\n2026/03/02 09:00:01 routers/init.go:68:mustInitCtx() [F] code.gitea.io/gitea/routers/common.InitDBEngine(ctx) failed: migrate: Your database (migration version: 305) is for a newer Gitea, you can not use the newer database for this old Gitea release (299).\n",
  ),
  broken(
    "schema-conflict",
    "grafana",
    'logger=migrator t=2026-03-02T09:00:00.678Z level=error msg="Executing migration failed" id="add column region" error="no such column: region"\nlogger=server t=2026-03-02T09:00:00.678Z level=error msg="Stopped background service" reason="x"\nError: \u2717 migration failed (id = add column region): no such column: region\n',
  ),
  broken(
    "schema-conflict",
    "ecto",
    '** (Postgrex.Error) ERROR 42701 (duplicate_column) column "region" of relation "nodes" already exists\n    (ecto_sql 3.11.1) lib/ecto/adapters/sql.ex:1054: Ecto.Adapters.SQL.raise_sql_call_error/1\n',
  ),
  broken(
    "config",
    "node module",
    "node:internal/modules/cjs/loader:1147\n  throw err;\n  ^\n\nError: Cannot find module '/app/dist/main.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1144:15)\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n\nNode.js v20.11.0\n",
  ),
  broken(
    "schema-conflict",
    "node pg",
    "/app/node_modules/pg/lib/parser.js:287\n        const message = name === 'notice'\n                        ^\n\nerror: relation \"nodes\" already exists\n    at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:287:98)\n  code: '42P07',\n}\n\nNode.js v20.11.0\n",
  ),
  broken(
    "crash",
    "node heap",
    "<--- Last few GCs --->\n\n[1:0x5f]    12345 ms: Mark-Compact 2047.1 (2083.2) -> 2046.9 (2083.9) MB\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n",
  ),
  broken("crash", "java oom", "Terminating due to java.lang.OutOfMemoryError: Java heap space\n"),
  broken(
    "crash",
    "java main",
    'Exception in thread "main" java.lang.NullPointerException: Cannot invoke "x.y()" because "z" is null\n\tat gateway.Main.main(Main.java:12)\n',
  ),
  broken(
    "database-connection",
    "hikari",
    "2026-03-02T09:00:00.678Z ERROR 1 --- [           main] com.zaxxer.hikari.pool.HikariPool        : HikariPool-1 - Exception during pool initialization.\norg.postgresql.util.PSQLException: Connection to db:5432 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.\n\tat org.postgresql.X.y(X.java:1)\n2026-03-02T09:00:00.678Z ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed\n",
  ),
  broken(
    "config",
    "spring datasource",
    "2026-03-02T09:00:00.678Z ERROR 1 --- [           main] o.s.b.d.LoggingFailureAnalysisReporter   : \n\n***************************\nAPPLICATION FAILED TO START\n***************************\n\nDescription:\n\nFailed to configure a DataSource: 'url' attribute is not specified and no embedded datasource could be configured.\n\nReason: Failed to determine a suitable driver class\n",
  ),
  broken(
    "crash",
    "python",
    "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>\n    main()\nKeyError: 'SECRET_KEY'\n",
  ),
  broken(
    "config",
    "python module",
    "Traceback (most recent call last):\n  File \"/app/main.py\", line 1, in <module>\n    import psycopg\nModuleNotFoundError: No module named 'psycopg'\n",
  ),
  broken(
    "crash",
    "gunicorn",
    '[2026-03-02 09:00:00 +0000] [1] [INFO] Starting gunicorn 21.2.0\n[2026-03-02 09:00:00 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)\n[2026-03-02 09:00:01 +0000] [7] [ERROR] Exception in worker process\nTraceback (most recent call last):\n  File "/app/wsgi.py", line 1, in <module>\nRuntimeError: boom\n[2026-03-02 09:00:01 +0000] [1] [ERROR] Worker (pid:7) exited with code 3\n[2026-03-02 09:00:01 +0000] [1] [ERROR] Shutting down: Master\n[2026-03-02 09:00:01 +0000] [1] [ERROR] Reason: Worker failed to boot.\n',
  ),
  broken(
    "config",
    "pg incompatible",
    "PostgreSQL Database directory appears to contain a database; Skipping initialization\n\n2026-03-02 09:00:00.678 UTC [1] FATAL:  database files are incompatible with server\n2026-03-02 09:00:00.678 UTC [1] DETAIL:  The data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17.2.\n",
  ),
  broken(
    "corruption",
    "pg checkpoint",
    "2026-03-02 09:00:00.678 UTC [27] LOG:  invalid checkpoint record\n2026-03-02 09:00:00.678 UTC [27] PANIC:  could not locate a valid checkpoint record at 0/15D6A10\n2026-03-02 09:00:00.778 UTC [1] LOG:  startup process (PID 27) was terminated by signal 6: Aborted\n",
  ),
  broken(
    "config",
    "pg noppw",
    'Error: Database is uninitialized and superuser password is not specified.\n       You must specify POSTGRES_PASSWORD to a non-empty value for the\n       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".\n',
  ),
  broken(
    "config",
    "pg initdb",
    'The files belonging to this database system will be owned by user "postgres".\nThis user must also own the server process.\n\ninitdb: error: directory "/var/lib/postgresql/data" exists but is not empty\ninitdb: hint: If you want to create a new database system, either remove or empty the directory\n',
  ),
  broken(
    "config",
    "pg ext",
    '2026-03-02 09:00:00.678 UTC [1] FATAL:  could not access file "timescaledb": No such file or directory\n2026-03-02 09:00:00.678 UTC [1] LOG:  database system is shut down\n',
  ),
  broken(
    "config",
    "mariadb redo",
    "2026-03-02  9:00:00 0 [ERROR] InnoDB: Upgrade after a crash is not supported. The redo log was created with MariaDB 10.5.19.\n2026-03-02  9:00:00 0 [ERROR] InnoDB: Plugin initialization aborted with error Generic error\n2026-03-02  9:00:00 0 [ERROR] Unknown/unsupported storage engine: InnoDB\n2026-03-02  9:00:00 0 [ERROR] Aborting\n",
  ),
  broken(
    "config,schema-conflict",
    "mysql upgrade",
    "2026-03-02T09:00:00.678901Z 1 [ERROR] [MY-013171] [InnoDB] Cannot boot server version 90001 on data directory built by version 50744. Downgrade is not supported\n2026-03-02T09:00:00.778901Z 0 [ERROR] [MY-014060] [Server] Invalid MySQL server upgrade: Cannot upgrade from 50744 to 90001. Upgrade to next major version is only allowed from the last LTS release, which version 50744 is not.\n2026-03-02T09:00:01.678901Z 0 [ERROR] [MY-010119] [Server] Aborting\n",
  ),
  broken(
    "corruption",
    "mysql page",
    "2026-03-02  9:00:00 0 [ERROR] InnoDB: Database page corruption on disk or a failed read of file './ibdata1' page [page id: space=0, page number=5]. You may have to recover from a backup.\n",
  ),
  broken(
    "config",
    "mongo fcv",
    '{"t":{"$date":"2026-03-02T09:00:00.678+00:00"},"s":"F","c":"CONTROL","id":20573,"ctx":"initandlisten","msg":"Wrong mongod version","attr":{"error":"UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document (ERROR: Location4926900: Invalid featureCompatibilityVersion document in admin.system.version"}}\n{"t":{"$date":"2026-03-02T09:00:00.778+00:00"},"s":"I","c":"CONTROL","id":23138,"ctx":"initandlisten","msg":"Shutting down","attr":{"exitCode":62}}\n',
  ),
  broken(
    "corruption",
    "mongo wt",
    '{"t":{"$date":"2026-03-02T09:00:00.678+00:00"},"s":"E","c":"WT","id":22435,"ctx":"initandlisten","msg":"WiredTiger error message","attr":{"error":-31804,"message":{"msg":"__wt_block_read_off:226:WiredTiger.wt: potential hardware corruption, read checksum error for 4096B block at offset 12288"}}}\n{"t":{"$date":"2026-03-02T09:00:00.778+00:00"},"s":"F","c":"ASSERT","id":23089,"ctx":"initandlisten","msg":"Fatal assertion","attr":{"msgid":50853}}\n',
  ),
  broken(
    "config",
    "redis rdb",
    "1:C 02 Mar 2026 09:00:00.100 # Redis version=6.2.14, bits=64, pid=1, just started\n1:M 02 Mar 2026 09:00:00.204 # Can't handle RDB format version 11\n1:M 02 Mar 2026 09:00:00.204 # Fatal error loading the DB: Invalid argument. Exiting.\n",
  ),
  broken(
    "corruption",
    "valkey rdb",
    "1:M 02 Mar 2026 09:00:00.204 # Wrong signature trying to load DB from file\n1:M 02 Mar 2026 09:00:00.205 # Fatal error loading the DB, check server logs. Exiting.\n",
  ),
  broken(
    "config",
    "redis config",
    "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, at line 12\n>>> 'appendonlyx yes'\nBad directive or wrong number of arguments\n",
  ),
  broken(
    "config",
    "rabbit ff",
    "2026-03-02 09:00:00.678000+00:00 [error] <0.254.0> Feature flags: `stream_queue`: required feature flag not enabled! It must be enabled before upgrading RabbitMQ.\n2026-03-02 09:00:00.678000+00:00 [error] <0.254.0> \n2026-03-02 09:00:00.678000+00:00 [error] <0.254.0> BOOT FAILED\n2026-03-02 09:00:00.678000+00:00 [error] <0.254.0> ===========\n2026-03-02 09:00:00.678000+00:00 [error] <0.254.0> Error during startup: {error,{disabled_required_feature_flag,stream_queue}}\n",
  ),
  broken(
    "config",
    "rabbit cookie",
    "2026-03-02 09:00:00.678000+00:00 [error] <0.44.0> Cookie file /var/lib/rabbitmq/.erlang.cookie must be accessible by owner only\nKernel pid terminated (application_controller) ({application_start_failure,kernel,{{shutdown,...\n",
  ),
  broken(
    "crash,config",
    "erlang dump",
    '{"Kernel pid terminated",application_controller,"{application_start_failure,rabbit,{bad_return,{{rabbit,start,[normal,[]]},{\'EXIT\',{error,x}}}}}"}\nKernel pid terminated (application_controller) ("{application_start_failure,rabbit,...\n\nCrash dump is being written to: /var/log/rabbitmq/erl_crash.dump...done\n',
  ),
  broken(
    "schema-conflict",
    "qdrant version",
    "2026-03-02T09:00:00.461800Z ERROR qdrant::startup: Panic occurred in file /qdrant/lib/collection/src/collection/mod.rs at line 290: Cannot upgrade version 1.7.4 to 1.17.0. Try to use older version of Qdrant first.\n",
  ),
  broken(
    "config",
    "qdrant perm",
    "Error: Service internal error: Permission denied (os error 13)\n",
  ),
  broken(
    "schema-conflict",
    "tracing json",
    '{"timestamp":"2026-03-02T09:00:00.678901Z","level":"ERROR","fields":{"message":"Migration failed: column \\"region\\" of relation \\"nodes\\" already exists"},"target":"app::db"}\n',
  ),
  broken(
    "schema-conflict",
    "rfc5424",
    '<27>1 2026-03-02T09:00:00.678901Z node-7 gateway 4711 - [meta seq="1" note="a \\] b"] Unhandled exception. Npgsql.PostgresException (0x80004005): 42701: column "region" of relation "nodes" already exists\n<27>1 2026-03-02T09:00:00.678901Z node-7 gateway 4711 - [meta seq="2"]    at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)\n',
  ),
  broken(
    "database-auth",
    "php fatal",
    "[02-Mar-2026 09:00:00 UTC] PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [1045] Access denied for user 'app'@'172.18.0.5' (using password: YES) in /var/www/html/db.php:12\n",
  ),
  broken(
    "lock-timeout",
    "sqlite node",
    "Error: SQLITE_BUSY: database is locked\n    at Database.exec (/app/node_modules/better-sqlite3/lib/methods/wrappers.js:9:14)\n\nNode.js v20.11.0\n",
  ),
  broken(
    "crash,config",
    "a fatal record of a media server",
    "Info Main: Starting\nFatal Main: UnhandledException\n\t*** Error Report ***\n\tSystem.InvalidOperationException: Sequence contains no elements\n\t   at Media.Server.Main()\n",
  ),
  broken(
    "schema-conflict",
    "docker partial json",
    [
      '{"log":"Unhandled exception. Npgsql.PostgresException (0x80004005): 42701: column \\"re","stream":"stderr","time":"2026-03-02T09:00:00Z"}',
      '{"log":"gion\\" of relation \\"nodes\\" already exists\\n","stream":"stderr","time":"2026-03-02T09:00:00Z"}',
    ].join("\n"),
  ),
  broken(
    "schema-conflict",
    "journald json",
    '{"__REALTIME_TIMESTAMP":"1772442000000000","_TRANSPORT":"journal","CONTAINER_NAME":"gateway","PRIORITY":"3","MESSAGE":"Unhandled exception. Npgsql.PostgresException (0x80004005): 42701: column \\"region\\" of relation \\"nodes\\" already exists"}\n',
  ),
  broken(
    "schema-conflict",
    "cr overwrite",
    'Downloading model 10%\rDownloading model 90%\r2026-03-02T09:00:00.678Z ERROR app::db: Migration failed: column "region" of relation "nodes" already exists\n',
  ),
  broken(
    "database-connection",
    "n8n conn",
    "Initializing n8n process\nThere was an error initializing DB\nconnect ECONNREFUSED 172.18.0.3:5432\n",
  ),
  broken(
    "migration",
    "ghost",
    "[2026-03-02 09:00:00] ERROR Migrations are missing. Please run `knex-migrator migrate`.\n\nMigrations are missing. Please run `knex-migrator migrate`.\n\nError ID:\n    500\nDatabaseIsNotOkError: Migrations are missing. Please run `knex-migrator migrate`.\n",
  ),
  broken(
    "config",
    "keycloak",
    "2026-03-02 09:00:00,678 ERROR [org.keycloak.quarkus.runtime.cli.ExecutionExceptionHandler] (main) ERROR: Failed to start server in (production) mode\n2026-03-02 09:00:00,678 ERROR [org.keycloak.quarkus.runtime.cli.ExecutionExceptionHandler] (main) ERROR: Strict hostname resolution configured but no hostname setting provided\n",
  ),
  broken(
    "schema-conflict",
    "efbundle raw frames",
    '   at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.Migrate(String targetMigration)\n42P07: relation "nodes" already exists\n',
  ),
];

/** Healthy programs of the same kinds, with what sounds bad in their logs. */
export const healthy: Readonly<Record<string, string>> = {
  pgcheck:
    '2026-03-02 09:00:00.678 UTC [71] FATAL:  role "root" does not exist\n2026-03-02 09:00:00.778 UTC [1] LOG:  database system is ready to accept connections\n',
  pgrecover:
    "2026-03-02 09:00:00.678 UTC [29] LOG:  database system was interrupted; last known up at 2026-03-02 08:00:00 UTC\n2026-03-02 09:00:00.678 UTC [29] LOG:  database system was not properly shut down; automatic recovery in progress\n2026-03-02 09:00:00.678 UTC [29] LOG:  invalid record length at 0/1A2B3C8: expected at least 24, got 0\n2026-03-02 09:00:00.778 UTC [1] LOG:  database system is ready to accept connections\n",
  pgapp:
    '2026-03-02 09:00:00.778 UTC [1] LOG:  database system is ready to accept connections\n2026-03-02 09:05:00.778 UTC [88] ERROR:  duplicate key value violates unique constraint "nodes_pkey"\n2026-03-02 09:05:00.778 UTC [88] DETAIL:  Key (id)=(1) already exists.\n2026-03-02 09:05:00.778 UTC [88] STATEMENT:  INSERT INTO nodes VALUES (1)\n',
  maria:
    "2026-03-02 09:00:00+00:00 [Note] [Entrypoint]: Entrypoint script for MariaDB Server 1:11.8.2+maria~ubu2404 started.\n2026-03-02 09:00:00+00:00 [Warn] [Entrypoint]: /sys/fs/cgroup///memory.pressure not writable, functionality unavailable to MariaDB\n2026-03-02 09:00:00+00:00 [Note] [Entrypoint]: MariaDB upgrade not required\n2026-03-02  9:00:00 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=47993\n2026-03-02  9:00:01 0 [Warning] Aborted connection 3 to db: 'app' user: 'app' host: '172.18.0.5' (Got an error reading communication packets)\n2026-03-02  9:00:01 0 [Note] mariadbd: ready for connections.\n2026-03-02  9:00:02 4 [Warning] Access denied for user 'root'@'localhost' (using password: NO)\n",
  mysql:
    "2026-03-02T09:00:00.678901Z 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed.\n2026-03-02T09:00:00.678901Z 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. Version: '8.4.3'  socket: '/var/run/mysqld/mysqld.sock'  port: 3306\n2026-03-02T09:01:00.678901Z 12 [ERROR] [MY-000000] [Server] Plugin reported something\n",
  redis:
    "1:C 02 Mar 2026 09:00:00.100 # WARNING Memory overcommit must be enabled! Without it, a background save or replication may fail under low memory condition.\n1:M 02 Mar 2026 09:00:00.206 * Ready to accept connections tcp\n1:M 02 Mar 2026 09:10:00.206 # Failed opening the temp RDB file temp-1.rdb (in server root dir /data) for saving: Permission denied\n1:M 02 Mar 2026 09:11:00.206 # Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis.\n",
  rabbit:
    "2026-03-02 09:00:00.678000+00:00 [info] <0.9.0> Server startup complete; 4 plugins started.\n2026-03-02 09:01:00.678000+00:00 [error] <0.812.0> closing AMQP connection <0.812.0> (172.18.0.5:51234 -> 172.18.0.4:5672):\n2026-03-02 09:01:00.678000+00:00 [error] <0.812.0> missed heartbeats from client, timeout: 60s\n2026-03-02 09:01:00.678000+00:00 [error] <0.900.0> Error on AMQP connection <0.900.0>: enotconn (socket is not connected)\n2026-03-02 09:01:00.678000+00:00 [error] <0.901.0>   crasher:\n2026-03-02 09:01:00.678000+00:00 [error] <0.901.0>     exception exit: {noproc,x}\n",
  mongo:
    '{"t":{"$date":"2026-03-02T09:00:00.678+00:00"},"s":"W","c":"STORAGE","id":22271,"ctx":"initandlisten","msg":"Detected unclean shutdown - Lock file is not empty","attr":{"lockFile":"/data/db/mongod.lock"}}\n{"t":{"$date":"2026-03-02T09:00:00.678+00:00"},"s":"I","c":"NETWORK","id":23016,"ctx":"listener","msg":"Waiting for connections","attr":{"port":27017}}\n{"t":{"$date":"2026-03-02T09:00:01.678+00:00"},"s":"E","c":"QUERY","id":1,"ctx":"conn1","msg":"Plan executor error during find command","attr":{"error":{"code":11600,"codeName":"InterruptedAtShutdown"}}}\n',
  qdrant:
    "2026-03-02T09:00:00.293646Z  WARN qdrant: There is a potential issue with the filesystem for storage path ./storage\n2026-03-02T09:00:00.293646Z  INFO qdrant::actix: Qdrant HTTP listening on 6333\n2026-03-02T09:01:00.293646Z ERROR qdrant::actix::helpers: Error processing request: Service internal error: Timeout\n",
  djangoWarn:
    "Watching for file changes with StatReloader\nPerforming system checks...\n\nSystem check identified no issues (0 silenced).\nStarting development server at http://0.0.0.0:8000/\n",
  alembic:
    "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.\nINFO  [alembic.runtime.migration] Will assume transactional DDL.\nINFO  [alembic.runtime.migration] Running upgrade a -> b, add failed jobs table\nINFO:     Uvicorn running on http://0.0.0.0:8000\n",
  pythonRetry:
    'Traceback (most recent call last):\n  File "/app/wait.py", line 3, in <module>\npsycopg2.OperationalError: could not connect to server: Connection refused\n\nDatabase not ready, retrying in 2 s\nINFO:     Application startup complete.\n',
  prisma:
    "12 migrations found in prisma/migrations\n\nNo pending migrations to apply.\n> app@1.0.0 start\n> node dist/main.js\n\nServer listening on port 3000\n",
  laravel: "   INFO  Nothing to migrate.\n\n   INFO  Server running on [http://0.0.0.0:8000].\n",
  rails:
    "== 20260101000000 AddErrorLog: migrating ====\n-- create_table(:error_logs)\n   -> 0.0012s\n== 20260101000000 AddErrorLog: migrated (0.0012s) ===\n=> Booting Puma\nPuma starting in single mode...\n* Listening on http://0.0.0.0:3000\n",
  flyway:
    '2026-03-02T09:00:00.678Z  INFO 1 --- [           main] o.f.core.internal.command.DbMigrate      : Schema "public" is up to date. No migration necessary.\n2026-03-02T09:00:01.678Z  INFO 1 --- [           main] gateway.Application                      : Started Application in 4.2 seconds\n2026-03-02T09:03:01.678Z ERROR 1 --- [nio-8080-exec-1] o.a.c.c.C.[.[.[/].[dispatcherServlet]    : Servlet.service() threw exception\norg.postgresql.util.PSQLException: ERROR: duplicate key value violates unique constraint "x"\n\tat a.B.c(B.java:1)\n',
  hib: '2026-03-02T09:00:00.678Z  WARN 1 --- [           main] o.h.t.s.i.ExceptionHandlerLoggedImpl     : GenerationTarget encountered exception accepting command : Error executing DDL "alter table nodes drop constraint if exists x" via JDBC [Table "NODES" not found]\norg.hibernate.tool.schema.spi.CommandAcceptanceException: x\n\tat a.B.c(B.java:1)\n2026-03-02T09:00:01.678Z  INFO 1 --- [           main] gateway.Application                      : Started Application in 4.2 seconds\n',
  goPanicHttp:
    'time=2026-03-02T09:00:00.678Z level=INFO msg="listening" addr=:8080\n2026/03/02 09:01:00 http: panic serving 10.0.0.7:51234: runtime error: index out of range [3] with length 3\ngoroutine 77 [running]:\nnet/http.(*conn).serve.func1()\n',
  n8n: "n8n ready on ::, port 5678\nFailed to start Python task runner in internal mode. because Python 3 is missing from this system.\nError tracking disabled because this release is older than 6 weeks.\nVersion: 2.1.0\nEditor is now accessible via:\nhttp://localhost:5678\n",
  gitea:
    "2026/03/02 09:00:00 cmd/web.go:242:runWeb() [I] Starting Gitea on PID: 17\n2026/03/02 09:00:01 routers/common/db.go:31:InitDBEngine() [E] ORM engine initialization attempt #1/10 failed. Error: dial tcp: connect: connection refused\n2026/03/02 09:00:04 routers/common/db.go:31:InitDBEngine() [I] ORM engine initialization successful!\n2026/03/02 09:00:04 cmd/web.go:304:listen() [I] Listen: http://0.0.0.0:3000\n",
  grafana:
    'logger=migrator t=2026-03-02T09:00:00.678Z level=info msg="Executing migration" id="add failed column"\nlogger=migrator t=2026-03-02T09:00:00.678Z level=info msg="migrations completed" performed=3 skipped=600 duration=1s\nlogger=http.server t=2026-03-02T09:00:01.678Z level=info msg="HTTP Server Listen" address=[::]:3000\nlogger=plugins t=2026-03-02T09:00:01.678Z level=error msg="Failed to fetch catalog" error="Get x: dial tcp: lookup: no such host"\n',
  nodeWarn:
    "(node:1) [DEP0040] DeprecationWarning: The `punycode` module is deprecated.\n(node:1) Warning: Setting the NODE_TLS_REJECT_UNAUTHORIZED\nServer listening on port 3000\nError: read ECONNRESET\n    at TCP.onStreamRead (node:internal/stream_base_commons:217:20)\n",
  s6: "[cont-init.d] executing container initialization scripts...\n[cont-init.d] 10-adduser: executing...\n[cont-init.d] 10-adduser: exited 0.\n[services.d] starting services\n[services.d] done.\nConnection to localhost (::1) 8989 port [tcp/*] succeeded!\n",
  keycloak:
    '2026-03-02 09:00:00,678 INFO  [io.quarkus] (main) Keycloak 26.0.1 on JVM (powered by Quarkus 3.8.5) started in 9.1s. Listening on: http://0.0.0.0:8080\n2026-03-02 09:00:00,678 WARN  [org.keycloak.events] (executor-thread-1) type="LOGIN_ERROR", realmId="x", error="invalid_user_credentials"\n',
  elastic:
    '{"@timestamp":"2026-03-02T09:00:00.678Z","log.level":"ERROR","message":"exception during geoip databases update","error.type":"java.net.UnknownHostException","error.message":"x","error.stack_trace":"java.net.UnknownHostException: x\\n\\tat a.B.c(B.java:1)"}\n{"@timestamp":"2026-03-02T09:00:00.678Z","log.level":"INFO","message":"started {node-1}"}\n',
  dockerd:
    'Mar 02 09:00:00 node-7 dockerd[99]: time="2026-03-02T09:00:00Z" level=error msg="Handler for POST failed: No such container"\nMar 02 09:00:00 node-7 gateway[47]: info: Microsoft.Hosting.Lifetime[0]\nMar 02 09:00:00 node-7 gateway[47]:       Application started. Press Ctrl+C to shut down.\n',
  psqlIdem:
    'running init scripts\nERROR:  relation "nodes" already exists\nServer listening on port 3000\n',
};
