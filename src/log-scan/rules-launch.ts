import type { Rule } from "./rule.ts";

/** What shells, interpreters and frameworks say when the application itself never ran. */
export const LAUNCH_RULES: readonly Rule[] = [
  {
    name: "setting-demanded",
    where: "raw",
    lasts: "started",
    class: "config",
    source: "shells: demanded variables and set -u",
    pattern:
      /^\S{1,120}: (?:line )?\d{1,5}: (?:\w{1,60}: (?:parameter (?:null or )?not set|unbound variable)|[A-Z][A-Z0-9_]{1,60}: [^\n]{0,80}\b(?:must|required?|missing|not set|unset|empty|undefined)\b)/,
    example: "/entrypoint.sh: line 12: DB_HOST: parameter not set",
    lookAlike: "/entrypoint.sh: line 12: DB_HOST: using the default",
    meaning: "A script that starts the application demands a variable that is not set.",
  },
  {
    name: "arguments-refused",
    where: "failing",
    lasts: "started",
    class: "config",
    source: "clap, Go's flag, argparse",
    pattern:
      /^(?:\S{1,60}: error: )?(?:unexpected argument '|Found argument '[^'\n]{1,80}' which wasn't expected|flag provided but not defined: |unrecognized arguments?: |the following arguments are required: |(?:unknown|invalid) option:? '?-)/,
    example: "error: unexpected argument '--bind' found\n\nUsage: app [OPTIONS]",
    lookAlike: "[09:12:01 INF] Ignoring unexpected argument 'bind'",
    meaning: "The new version does not know an argument of the service's command.",
  },
  {
    name: "dependency-timeout",
    where: "failing",
    lasts: "started",
    class: "database-connection",
    source: "wait-for-it, dockerize, entry-point scripts",
    pattern:
      /\btimeout occurred after waiting \d{1,6} seconds for |\bTimeout after \S{1,12} waiting on dependencies|\b[Tt]imed out waiting for (?:the )?(?:database|db|postgres\w*|mysql|mariadb|redis|rabbitmq)\b/,
    example: "wait-for-it.sh: timeout occurred after waiting 30 seconds for db:5432",
    lookAlike: "wait-for-it.sh: db:5432 is available after 3 seconds",
    meaning: "The start waited for another service in vain.",
  },
  {
    name: "rust-main-error",
    where: "error",
    lasts: "started",
    printed: true,
    otherwise: "crash",
    source: "anyhow, eyre",
    pattern: /^[^\n]{1,300}\n\s*\n?Caused by:\s*\n\s+\S/,
    example:
      "Error: failed to load vault\n\nCaused by:\n    0: reading /data/vault.key\n    1: No such file or directory (os error 2)",
    lookAlike: "[09:12:01 WRN] Feed skipped\n    Caused by:\n      no route",
    meaning: "The program ended with an error that its main function returned.",
  },
  {
    name: "java-not-launched",
    where: "failing",
    lasts: "ended",
    class: "config",
    source: "the java command",
    pattern:
      /^(?:Error: )?(?:Unable to access jarfile|Could not find or load main class|LinkageError occurred while loading main class|A JNI error has occurred|Main method not found in class|Could not create the Java Virtual Machine|Unrecognized (?:VM )?option[: ]|Invalid (?:maximum|initial) heap size)/,
    quote:
      /((?:Unable to access jarfile|Could not find or load main class|Unrecognized (?:VM )?option)[^\n]{0,300})/,
    example: "Error: Unable to access jarfile /app/gateway.jar",
    lookAlike: "Picked up JAVA_OPTS: -Xmx512m; main class gateway.Main",
    meaning: "The Java runtime could not load the application.",
  },
  {
    name: "script-cannot-run",
    where: "raw",
    lasts: "ended",
    otherwise: "crash",
    source: "Python, Perl",
    pattern:
      /^(?:SyntaxError|IndentationError|TabError): |^\S{0,80}python[\d.]{0,5}: (?:can't open file|No module named|Error while finding module)|^Can't locate \S{1,120}\.pm in @INC|^BEGIN failed--compilation aborted/,
    example:
      '  File "/app/main.py", line 12\n    match x:\n          ^\nSyntaxError: invalid syntax',
    lookAlike: "Syntax check of 12 rules passed",
    meaning: "The interpreter cannot read the program, or does not find it.",
  },
  {
    name: "ruby-uncaught",
    where: "raw",
    lasts: "started",
    printed: true,
    otherwise: "crash",
    source: "Ruby",
    pattern:
      /^\S{1,200}\.rb:\d{1,6}: ?in [`'][^'\n]{1,120}': [^\n]{1,400}\([A-Z]\w{0,60}(?:::\w{1,60}){0,6}\)/,
    quote: /: ?in [`'][^'\n]{1,120}': ([^\n]{1,400}\([A-Z][\w:]{0,200}\))/,
    example:
      "/app/config/boot.rb:1: in 'read_key': The vault has no key (KeyError)\n\tfrom /app/config.ru:3:in '<main>'",
    lookAlike: "/app/lib/mail.rb:12: warning: already initialized constant PORT",
    meaning: "An exception nobody caught ended the Ruby program.",
  },
  {
    name: "deno-ended",
    where: "error",
    lasts: "started",
    printed: true,
    otherwise: "crash",
    source: "Deno",
    pattern: /^Uncaught (?:\(in (?:worker )?promise\) )?[A-Z]?\w{0,60}(?:Error|Exception)\b/,
    example: "error: Uncaught (in promise) Error: no vault\n    at file:///app/main.ts:3:9",
    lookAlike: "info: Uncaught errors are sent to Sentry",
    meaning: "An error nobody caught ended the program.",
  },
  {
    name: "elixir-ended",
    where: "raw",
    lasts: "started",
    otherwise: "crash",
    source: "Elixir",
    pattern: /^\*\* \((?:[A-Z]\w{0,60}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception)\) /,
    example: "** (RuntimeError) environment variable SECRET_KEY_BASE is missing.",
    lookAlike: "** Welcome to the gateway (Runtime 27) **",
    meaning: "An exception ended the Elixir program.",
  },
  {
    name: "erlang-application-exited",
    where: "any",
    lasts: "started",
    otherwise: "crash",
    source: "Erlang, Elixir",
    pattern: /^Application \w{1,60} exited: \S{1,200}\.start\(/,
    example:
      "03:04:05.678 [notice] Application app exited: App.Application.start(:normal, []) returned an error: shutdown: failed to start child: App.Vault",
    lookAlike:
      "2026-01-02 03:04:05.678000+00:00 [notice] <0.44.0> Application syslog exited with reason: stopped",
    meaning: "The application's supervisor could not be started.",
  },
  {
    name: "nest-not-started",
    where: "error",
    lasts: "ended",
    otherwise: "config",
    source: "NestJS, its handler of errors during the start",
    pattern: /^\[ExceptionHandler\] /,
    example:
      "[Nest] 1  - 01/02/2026, 3:04:05 AM   ERROR [ExceptionHandler] Nest can't resolve dependencies of the UsersService (?).",
    lookAlike:
      "[Nest] 1  - 01/02/2026, 3:04:05 AM   ERROR [ExceptionsHandler] Cannot read properties of undefined",
    meaning: "An error ended the start of the Nest application.",
  },
  {
    name: "node-database-error",
    where: "raw",
    lasts: "started",
    printed: true,
    otherwise: "crash",
    source: "Prisma, Drizzle, TypeORM, Sequelize, drivers of databases for Node.js",
    pattern:
      /^(?:PrismaClient\w{1,30}Error|DrizzleQueryError|QueryFailedError|Sequelize\w{1,40}Error|(?:Postgres|Sqlite|Database|MongoServer\w{0,20}|MongooseServerSelection)Error): /,
    example:
      'DrizzleQueryError: Failed query: ALTER TABLE "t" ADD COLUMN "x" text;\n    at PostgresJsPreparedQuery.queryWithCache (/app/session.cjs:66:15)\n  cause: PostgresError: column "x" of relation "t" already exists',
    lookAlike: "PrismaClient 6.1.0 was generated for debian-openssl-3.0.x",
    meaning: "The database refused something, and no report of a start followed.",
  },
  {
    name: "django-checks",
    where: "raw",
    lasts: "ended",
    class: "config",
    source: "Django",
    pattern: /^(?:[\w.]{0,60}\.)?SystemCheckError: /,
    example:
      "SystemCheckError: System check identified some issues:\n\nERRORS:\n?: (mailer.E001) The setting EMAIL_FROM is required.",
    lookAlike:
      "System check identified some issues:\n\nWARNINGS:\nUser: (models.W042) Auto-created primary key",
    meaning: "Django's checks refuse the settings.",
  },
  {
    name: "asgi-not-started",
    where: "error",
    lasts: "ended",
    otherwise: "config",
    after: true,
    source: "Uvicorn, Hypercorn",
    pattern: /^Application startup failed\. Exiting\./,
    example: "ERROR:    Application startup failed. Exiting.",
    lookAlike: "INFO:     Application startup complete.",
    meaning: "The application raised an error while it started.",
  },
];
