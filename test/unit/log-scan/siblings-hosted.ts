import { broken, type Sibling } from "./siblings.ts";

/** Starts of programs that people host themselves, as their logs end when an upgrade goes wrong. */
export const failingHosted: readonly Sibling[] = [
  broken(
    "migration",
    "ghost",
    '[2021-11-26 20:07:57] INFO Ghost is running in production...\n[2021-11-26 20:07:57] INFO Your site is now available on https://blog.example/\n[2021-11-26 20:07:57] INFO Ctrl+C to shut down\n[2021-11-26 20:07:57] INFO Ghost server started in 0.9s\n[2021-11-26 20:07:58] WARN Database state requires migration.\n[2021-11-26 20:07:58] INFO Creating database backup\n[2021-11-26 20:07:58] INFO Database backup written to: /var/lib/ghost/content/data/a.json\n[2021-11-26 20:07:58] INFO Running migrations.\n[2021-11-26 20:07:59] INFO Rolling back: alter table `posts` drop column foo.\n[2021-11-26 20:07:59] ERROR alter table `oauth` add constraint `oauth_user_id_foreign` foreign key - ER_FK_INCOMPATIBLE_COLUMNS: Referencing column \'user_id\' and referenced column \'id\' in foreign key constraint \'oauth_user_id_foreign\' are incompatible.\n\nalter table `oauth` add constraint ...\n\n{"config":{"transaction":false},"name":"07-add-oauth.js"}\n"Error occurred while executing the following migration: 07-add-oauth.js"\n\nError ID:\n    300\n\n[2021-11-26 20:07:59] WARN Ghost is shutting down\n[2021-11-26 20:07:59] WARN Ghost has shut down\n',
  ),
  broken(
    "migration,config",
    "immich-kysely",
    'Initializing Immich v1.132.1\nStarting api worker\nStarting microservices worker\n[Nest] 7  - 04/26/2025, 8:59:09 PM     LOG [Microservices:EventRepository] Initialized websocket server\n[Nest] 7  - 04/26/2025, 8:59:10 PM    WARN [Microservices:DatabaseRepository] Migration "1744910873969-InitialMigration" failed\n[Nest] 7  - 04/26/2025, 8:59:10 PM   ERROR [Microservices:DatabaseRepository] Kysely migrations failed: PostgresError: extension "vectors" is not available\nPostgresError: extension "vectors" is not available\n    at ErrorResponse (/usr/src/app/node_modules/postgres/cjs/src/connection.js:790:26)\n    at handle (/usr/src/app/node_modules/postgres/cjs/src/connection.js:476:6)\nmicroservices worker exited with code 1\nKilling api process\n',
  ),
  broken(
    "crash,config",
    "immich-novector",
    "Starting api worker\nStarting microservices worker\n[Nest] 7  - 07/11/2026, 5:54:28 PM     LOG [Microservices:EventRepository] Initialized websocket server\nmicroservices worker error: Error: No vector extension found. Available extensions: vchord, vector, stack: Error: No vector extension found. Available extensions: vchord, vector\n    at getVectorExtension (/usr/src/app/server/dist/repositories/database.repository.js:51:15)\n    at process.processTicksAndRejections (node:internal/process/task_queues:104:5)\nmicroservices worker exited with code 1\nKilling api process\n",
  ),
  broken(
    "migration,schema-conflict",
    "logto",
    '\n[info] Logto core starting\nCoreApp exited with error: \nAlterationState [ undeployed ]\nerror   Found undeployed database alterations, you must deploy them first by "npm run alteration deploy" command.\n See https://docs.logto.io for reference.\ninfo    Will exit\n',
  ),
  broken(
    "migration,schema-conflict",
    "nextcloud-occ",
    "Initializing nextcloud 29.0.1.1 ...\nUpgrading nextcloud from 28.0.4.1 ...\nInitializing finished\nNextcloud or one of the apps require upgrade - only a limited number of commands are available\nSetting log level to debug\nTurned on maintenance mode\nUpdating database schema\nDoctrine\\DBAL\\Exception\\DriverException: An exception occurred while executing a query: SQLSTATE[42000]: Syntax error or access violation: 1118 Row size too large\nUpdate failed\nMaintenance mode is kept active\nResetting log level\n",
  ),
  broken(
    "migration",
    "directus",
    '10:00:00 Initializing bootstrap...\n10:00:00 Database already initialized, skipping install\n10:00:00 Running migrations...\n{"level":50,"time":1717236000000,"pid":18,"hostname":"x","name":"directus","msg":"Migration keys are duplicated. Please ensure that all migrations have unique keys."}\n',
  ),
  broken(
    "migration",
    "zabbix",
    "  1:20240601:100000.000 Starting Zabbix Server. Zabbix 7.0.0 (revision abc).\n  1:20240601:100000.100 current database version (mandatory/optional): 06040000/06040000\n  1:20240601:100000.100 required mandatory version: 07000000\n  1:20240601:100000.100 starting automatic database upgrade\n  1:20240601:100000.200 [Z3005] query failed: [1071] Specified key was too long; max key length is 767 bytes [alter table x]\n  1:20240601:100000.200 database upgrade failed\n",
  ),
  broken(
    "config",
    "npm",
    "[6/1/2024] [10:00:00 AM] [Global   ] › ℹ  info      Using Sqlite: /data/database.sqlite\n[6/1/2024] [10:00:01 AM] [Migrate  ] › ℹ  info      Current database version: none\n[6/1/2024] [10:00:02 AM] [Global   ] › ✖  error     SQLITE_READONLY: attempt to write a readonly database\n",
  ),
  broken(
    "config",
    "traefik",
    '{"level":"error","error":"command traefik error: field not found, node: swarmMode","time":"2024-06-01T10:00:00Z"}\n',
  ),
  broken(
    "config",
    "loki",
    'level=error ts=2024-06-01T10:00:00.000Z caller=main.go:70 msg="validating config" err="MULTIPLE CONFIG ERRORS FOUND, PLEASE READ CAREFULLY\\nCONFIG ERROR: schema v13 is required to store Structured Metadata"\n',
  ),
  broken(
    "crash,config,schema-conflict",
    "elastic",
    '{"@timestamp":"2024-06-01T10:00:00.000Z", "log.level": "INFO", "message":"version[8.13.0], pid[7]", "ecs.version": "1.2.0","service.name":"ES_ECS","event.dataset":"elasticsearch.server"}\n{"@timestamp":"2024-06-01T10:00:01.000Z", "log.level":"ERROR", "message":"fatal exception while booting Elasticsearch", "ecs.version": "1.2.0","service.name":"ES_ECS","event.dataset":"elasticsearch.server","error.type":"java.lang.IllegalStateException","error.message":"cannot upgrade a node from version [6.8.0] directly to version [8.13.0], upgrade to version [7.17.0] first."}\n',
  ),
  broken(
    "crash,config,schema-conflict,migration",
    "bichon",
    "2026-05-23T09:00:01.000000Z  INFO bichon: Starting bichon 1.1.3\n2026-05-23T09:00:01.100000Z ERROR bichon: Data created by an older version was found. A migration is required before the server can start.\nRun `bichon-admin migrate --root /data/bichon-data` and start again.\n",
  ),
  broken(
    "crash,corruption",
    "clickhouse",
    "Processing configuration file '/etc/clickhouse-server/config.xml'.\n2024.06.01 10:00:00.000000 [ 1 ] {} <Error> Application: DB::Exception: Suspiciously many (12) broken parts to remove\n2024.06.01 10:00:00.100000 [ 1 ] {} <Information> Application: shutting down\n",
  ),
  broken(
    "schema-conflict",
    "synapse",
    "2024-06-01 10:00:00,000 - root - 354 - WARNING - main - ***** STARTING SERVER *****\n2024-06-01 10:00:00,100 - synapse.storage.prepare_database - 128 - INFO - main - ['main']: Checking existing schema version\n**********************************************************************************\n Error during initialisation:\n    Cannot use this database as it is too new for the server to understand\n There may be more information in the logs.\n**********************************************************************************\n",
  ),
  broken(
    "config,database-connection",
    "wallabag",
    'Starting wallabag ...\nPLAY [localhost] *****\nTASK [check existing database] ***\nfatal: [localhost]: FAILED! => {"changed": false, "msg": "unable to connect to database"}\nPLAY RECAP ****\nlocalhost : ok=3 changed=0 unreachable=0 failed=1\n',
  ),
  broken(
    "config",
    "apache",
    "AH00558: apache2: Could not reliably determine the server's fully qualified domain name\n[Sat Jun 01 10:00:00.000000 2024] [mpm_prefork:notice] [pid 1] AH00163: Apache configured -- resuming normal operations\nAH00526: Syntax error on line 5 of /etc/apache2/sites-enabled/000-default.conf:\nInvalid command 'RewriteEngine', perhaps misspelled or defined by a module not included in the server configuration\n",
  ),
  broken(
    "schema-conflict",
    "meili",
    "2024-06-01T10:00:00.000000Z  INFO meilisearch: x\nError: Your database version (1.7.0) is incompatible with your current engine version (1.8.0).\nTo migrate data between Meilisearch versions, please follow our guide on https://www.meilisearch.com/docs/learn/update_and_migration/updating.\n",
  ),
  broken(
    "migration",
    "gitlab",
    "Recipe: gitlab::database_migrations\n  * rails_migration[gitlab-rails] action run\n    * bash[migrate gitlab-rails database] action run\n      [execute] rake aborted!\n                StandardError: An error has occurred, all later migrations canceled:\n                Expected batched background migration for the given configuration to be marked as 'finished', but it is 'active'\n      \n      ================================================================================\n      Error executing action `run` on resource 'bash[migrate gitlab-rails database]'\n      ================================================================================\n      Mixlib::ShellOut::ShellCommandFailed\n",
  ),
  broken(
    "crash,migration,config",
    "chatwoot",
    'Database migration started\nrails aborted!\nActiveRecord::StatementInvalid: PG::UndefinedFile: ERROR:  could not open extension control file "/usr/share/postgresql/15/extension/vector.control": No such file or directory\n/app/db/migrate/20231201_enable_vector.rb:3:in `change\'\n',
  ),
  broken(
    "schema-conflict",
    "peertube",
    '[peertube.local:9000] 2024-06-01 10:00:00.000 info: Checking/creating database...\n[peertube.local:9000] 2024-06-01 10:00:01.000 info: Begin migrations.\n[peertube.local:9000] 2024-06-01 10:00:01.100 info: Executing 0820-abuse migration script.\n[peertube.local:9000] 2024-06-01 10:00:01.200 error: Cannot execute migration 0820-abuse.\n{\n  "err": {\n    "stack": "Error\\n    at Query.run",\n    "message": "column \\"x\\" already exists"\n  }\n}\n',
  ),
  broken(
    "lock-timeout,migration",
    "twenty",
    "Running database setup and migrations...\nDatabase exists, running migrations...\n[Nest] 42  - 07/18/2026, 10:00:01 AM     LOG [UpgradeCommand] Running upgrade\n[Nest] 42  - 07/18/2026, 10:00:11 AM   ERROR [UpgradeCommand] event=sequence.aborted reason=step-failed step=2.20/add-search-vector\nQueryFailedError: canceling statement due to statement timeout\n    at PostgresQueryRunner.query (/app/node_modules/typeorm/driver/postgres/PostgresQueryRunner.js:216:19)\nWarning: Upgrade completed with errors. Some workspaces may not be fully migrated. Check logs for details.\nSuccessfully migrated DB!\n[Nest] 60  - 07/18/2026, 10:00:20 AM     LOG [NestFactory] Starting Nest application...\n[Nest] 60  - 07/18/2026, 10:00:22 AM     LOG [NestApplication] Nest application successfully started\n",
  ),
  broken(
    "crash,config",
    "caddy",
    '{"level":"info","ts":1717236000.1,"msg":"using provided configuration","config_file":"/etc/caddy/Caddyfile"}\nError: adapting config using caddyfile: /etc/caddy/Caddyfile:3: unrecognized directive: foo\n',
  ),
  broken(
    "schema-conflict",
    "uptimekuma",
    "2024-06-01T10:00:00Z [SERVER] INFO: Welcome to Uptime Kuma\n2024-06-01T10:00:01Z [DB] INFO: Connecting to Database\n2024-06-01T10:00:02Z [DB] ERROR: Database migration failed\n2024-06-01T10:00:02Z [SERVER] ERROR: Failed to prepare your database: alter table `monitor` add `json_path` text - SQLITE_ERROR: duplicate column name: json_path\n",
  ),
];

/** The same kinds of programs when all is well. */
export const healthyHosted: Readonly<Record<string, string>> = {
  "hosted traefik":
    'time="2024-06-01T10:00:00Z" level=info msg="Configuration loaded from flags."\ntime="2024-06-01T10:00:02Z" level=error msg="Unable to obtain ACME certificate for domains \\"x\\"" providerName=le.acme\n',
  "hosted apache":
    "AH00558: apache2: Could not reliably determine the server's fully qualified domain name, using 172.18.0.3. Set the 'ServerName' directive globally to suppress this message\n[Sat Jun 01 10:00:00.000000 2024] [mpm_prefork:notice] [pid 1] AH00163: Apache/2.4.59 (Debian) PHP/8.2.19 configured -- resuming normal operations\n[Sat Jun 01 10:00:00.000100 2024] [core:notice] [pid 1] AH00094: Command line: 'apache2 -D FOREGROUND'\n",
  "hosted zabbix":
    "  1:20240601:100000.000 Starting Zabbix Server. Zabbix 7.0.0 (revision abc).\n  1:20240601:100000.100 current database version (mandatory/optional): 06040000/06040000\n  1:20240601:100000.100 starting automatic database upgrade\n  1:20240601:100000.200 completed 50% of database upgrade\n  1:20240601:100001.200 completed 100% of database upgrade\n  1:20240601:100001.200 database upgrade fully completed\n  1:20240601:100002.200 server #0 started [main process]\n",
  "hosted synapse":
    "2024-06-01 10:00:00,000 - root - 354 - WARNING - main - ***** STARTING SERVER *****\n2024-06-01 10:00:00,100 - synapse.storage.prepare_database - 128 - INFO - main - ['main']: Applying schema deltas for v84\n2024-06-01 10:00:01,000 - synapse.app._base - 234 - INFO - main - Setting up server\n2024-06-01 10:00:02,000 - twisted - 275 - INFO - sentinel - SynapseSite starting on 8008\n2024-06-01 10:00:03,000 - synapse.http.client - 412 - ERROR - GET-1 - Error sending request to  GET https://x: DNSLookupError\n",
  "hosted loguru":
    "2024-06-01 10:00:00.000 | INFO     | changedetectionio.store:__init__ - Datastore path is '/datastore/url-watches.json'\n2024-06-01 10:00:01.000 | SUCCESS  | changedetectionio.store:run_updates:900 - update_16 completed\n(1) wsgi starting up on http://0.0.0.0:5000\n",
  "hosted clickhouse":
    "2024.06.01 10:00:00.000000 [ 1 ] {} <Information> Application: Starting ClickHouse 24.3\n2024.06.01 10:00:01.000000 [ 1 ] {} <Warning> Application: Listen [::]:8123 failed: Poco::Exception. If it is an IPv6 or IPv4 address and your host has disabled IPv6 or IPv4\n2024.06.01 10:00:02.000000 [ 1 ] {} <Information> Application: Ready for connections.\n",
  "hosted photoprism":
    "INFO[2024-06-01T10:00:00Z] config: running on 'x', 8 cpus\nINFO[2024-06-01T10:00:01Z] migrate: 2 migrations skipped\nWARN[2024-06-01T10:00:01Z] config: low memory\nINFO[2024-06-01T10:00:02Z] server: listening on 0.0.0.0:2342 [1.2ms]\n",
  "hosted uptimekuma":
    "2024-06-01T10:00:00Z [SERVER] INFO: Welcome to Uptime Kuma\n2024-06-01T10:00:01Z [DB] INFO: Connected to the database\n2024-06-01T10:00:02Z [DB] INFO: Your database version: 10\n2024-06-01T10:00:02Z [DB] INFO: Database patch not needed\n2024-06-01T10:00:03Z [MONITOR] WARN: Monitor #3 'x': Failing: connect ECONNREFUSED 10.0.0.1:80 | Interval: 60 seconds\n2024-06-01T10:00:03Z [SERVER] INFO: Listening on 3001\n",
  "hosted authentik":
    '{"event": "Loaded config", "level": "debug", "logger": "authentik.lib.config", "timestamp": 1716200000.1, "file": "/authentik/lib/default.yml"}\n{"event": "PostgreSQL connection failed, retrying... (connection failed: connection to server at \\"172.18.0.2\\", port 5432 failed: Connection refused)", "level": "info", "logger": "authentik.lib.config", "timestamp": 1716200001.1}\n{"event": "PostgreSQL connection successful", "level": "info", "logger": "authentik.lib.config", "timestamp": 1716200002.1}\n{"event": "applying django migrations", "level": "info", "logger": "authentik.root", "timestamp": 1716200003.1}\nOperations to perform:\n  Apply all migrations: admin, auth\nRunning migrations:\n  No migrations to apply.\n{"event": "Starting gunicorn 22.0.0", "level": "info", "logger": "gunicorn.error", "timestamp": 1716200005.1}\n{"event": "Listening at: unix:/dev/shm/authentik-core.sock", "level": "info", "logger": "gunicorn.error", "timestamp": 1716200005.2}\n',
  "hosted jellyfin-wrn":
    "[05:21:08] [INF] [7] Main: Prepare system for possible migrations\n[05:21:08] [INF] [7] Jellyfin.Server.Migrations.JellyfinMigrationService: There are 0 migrations for stage CoreInitialisation.\n[05:21:08] [INF] [7] InternalDatabaseMigration: Perform migration 20250622170802_BaseItemImageInfoDateModifiedNullable\n[05:21:10] [INF] [7] InternalDatabaseMigration: Migration 20250622170802_BaseItemImageInfoDateModifiedNullable was successfully applied\n[05:21:10] [WRN] [15] Microsoft.Extensions.Diagnostics.HealthChecks.DefaultHealthCheckService: Health check StartupCheck with status Degraded completed after 0.0493ms with message 'Server is still starting up.'\n[05:21:12] [INF] [7] Main: Kestrel is listening on 0.0.0.0\n[05:21:14] [INF] [7] Main: Startup complete 0:00:06.12\n",
  "hosted radarr":
    "[migrations] started\n[migrations] no migrations found\n[custom-init] No custom files found, skipping...\n[Info] Bootstrap: Starting Radarr - /app/radarr/bin/Radarr - Version 5.2.6.8376\n[Info] AppFolderInfo: Data directory is being overridden to [/config]\n[Info] MigrationController: *** Migrating data source=/config/radarr.db;cache size=-20000;datetimekind=Utc;journal mode=Wal;pooling=True;version=3 ***\n[Info] FluentMigrator.Runner.MigrationRunner: DatabaseEngineVersionCheck migrating\n[Info] NzbDrone.Core.Datastore.Migration.Framework.NzbDroneSQLiteProcessor: PerformDBOperation\n[Info] FluentMigrator.Runner.MigrationRunner: DatabaseEngineVersionCheck migrated\n[Info] FluentMigrator.Runner.MigrationRunner: => 0.0196s\n[Info] Microsoft.Hosting.Lifetime: Now listening on: http://[::]:7878\n[ls.io-init] done.\n[Info] ReleaseBranchCheck: Branch set\n",
  "hosted mariadb":
    "2024-06-01 10:00:00+00:00 [Note] [Entrypoint]: Entrypoint script for MariaDB Server 1:11.4.2+maria~ubu2404 started.\n2024-06-01 10:00:00+00:00 [Note] [Entrypoint]: MariaDB upgrade not required\n2024-06-01 10:00:01 0 [Note] InnoDB: Completed initialization of buffer pool\n2024-06-01 10:00:01 0 [Warning] 'user' entry 'root@abc' ignored in --skip-name-resolve mode.\n2024-06-01 10:00:01 0 [Note] mariadbd: ready for connections.\nVersion: '11.4.2-MariaDB-ubu2404'  socket: '/run/mysqld/mysqld.sock'  port: 3306  mariadb.org binary distribution\n",
  "hosted nginx":
    '/docker-entrypoint.sh: /docker-entrypoint.d/ is not empty, will attempt to perform configuration\n/docker-entrypoint.sh: Configuration complete; ready for start up\n2024/06/01 10:00:00 [notice] 1#1: start worker processes\n2024/06/01 10:01:00 [error] 30#30: *1 open() "/usr/share/nginx/html/favicon.ico" failed (2: No such file or directory), client: 10.0.0.1\n',
  "hosted node-err-after":
    "> app@1.0.0 start\n> node server.js\n\nConnected to MongoDB\nServer running at http://localhost:3000/\nError: connect ETIMEDOUT 1.2.3.4:443\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)\n",
};
