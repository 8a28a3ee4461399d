import type { Rule } from "./rule.ts";

/** What runtimes, supervisors and applications say when a start ends. */
export const RUNTIME_RULES: readonly Rule[] = [
  {
    name: "dotnet-missing",
    where: "raw",
    lasts: "ended",
    class: "config",
    source: "dotnet/runtime hostfxr",
    pattern:
      /^(?:You must install or update \.NET|It was not possible to find any compatible framework|The specified framework '[^'\n]{1,80}'.{0,40} was not found|Failed to create CoreCLR|The application to execute does not exist|Couldn't find a valid ICU package|A fatal error (?:occurred|was encountered)[.,])/m,
    example: "You must install or update .NET to run this application.",
    lookAlike: "info: Program[0]\n      Framework: .NET 10.0.1, compatible with linux-x64",
    meaning: "The image lacks the .NET runtime that the application was built for.",
  },
  {
    name: "cannot-execute",
    where: "raw",
    lasts: "ended",
    class: "config",
    source: "Linux, runc",
    pattern:
      /exec format error|^exec \S+: no such file|: error while loading shared libraries: (?!libgssapi)|standard_init_linux\.go|^\/\S{1,120}: (?:line )?\d+: .{0,120}\bnot found\s*$|exec: "[^"\n]{1,200}": (?:executable file not found|permission denied|stat )/i,
    example: "exec /app/gateway: exec format error",
    lookAlike: "exec /usr/local/bin/gateway --urls http://[::]:8080",
    meaning: "The program cannot be run: wrong architecture or an incomplete image.",
  },
  {
    name: "runtime-fatal",
    where: "raw",
    lasts: "ended",
    class: "crash",
    source: "dotnet/runtime",
    pattern:
      /^(?:Fatal error\.|Process terminated\.|Stack overflow\.|Out of memory\.|GC heap initialization failed|terminate called)/i,
    example: "GC heap initialization failed with error 0x8007000E",
    lookAlike: "[09:12:01 INF] GC heap limit is 512 MB",
    meaning: "The .NET runtime itself gave up.",
  },
  {
    name: "killed",
    where: "raw",
    lasts: "ended",
    class: "crash",
    source: "shells, Linux",
    pattern:
      /^(?:\S{0,80}: (?:line \d+: +)?(?:\d+ )?)?(?:Segmentation fault|Aborted|Killed)\b(?: +\(core dumped\)| {2,}|$|\s*$)|\(core dumped\)/i,
    example: "Segmentation fault (core dumped)",
    lookAlike: "Killed 0 stale sessions",
    meaning: "The process was ended by a signal.",
  },
  {
    name: "supervised-program-ended",
    where: "any",
    // Not "ended": the container and its other programs go on.
    lasts: "migration",
    class: "crash",
    source: "supervisord",
    pattern:
      /^exited: \S+ \((?:terminated by SIG(?!TERM|INT)[A-Z0-9]+(?: \(core dumped\))?|exit status [1-9]\d*); not expected\)|^gave up: \S+ entered FATAL state/,
    example:
      "2026-01-02 03:04:05,678 INFO exited: admin (terminated by SIGABRT (core dumped); not expected)",
    lookAlike: "2026-01-02 03:04:05,678 INFO exited: init (exit status 0; expected)",
    meaning: "One of several programs in the container ended by itself and did not come up again.",
  },
  {
    name: "unhandled-exception",
    where: "raw",
    lasts: "ended",
    otherwise: "crash",
    source: "dotnet/runtime",
    pattern: /^\s*Unhandled exception(?:\.|:) ?/i,
    example: "Unhandled exception. System.InvalidOperationException: Startup check failed",
    lookAlike: "[09:12:01 INF] Unhandled exceptions are sent to Sentry",
    meaning: "An exception nobody caught ended the process.",
  },
  {
    name: "background-service-stopped-host",
    where: "error",
    lasts: "ended",
    otherwise: "crash",
    source: "dotnet/runtime Microsoft.Extensions.Hosting.Internal.Host[10]",
    pattern: /BackgroundServiceExceptionBehavior is configured to StopHost/i,
    example:
      "crit: Microsoft.Extensions.Hosting.Internal.Host[10]\n      The HostOptions.BackgroundServiceExceptionBehavior is configured to StopHost. A BackgroundService has thrown an unhandled exception, and the IHost instance is stopping.",
    lookAlike: "info: Program[0]\n      HostOptions.BackgroundServiceExceptionBehavior is Ignore",
    meaning: "A background service failed and took the host down with it.",
  },
  {
    name: "dependency-failed",
    where: "raw",
    lasts: "started",
    otherwise: "crash",
    source: "docker/compose up --wait and depends_on",
    pattern:
      /^(?:dependency failed to start: )?container \S+ (?:is unhealthy|exited \([1-9]\d*\))|didn't complete successfully: exit [1-9]/,
    example: "dependency failed to start: container sophon-gateway-1 is unhealthy",
    lookAlike: "container sophon-gateway-1 is healthy",
    meaning: "Compose gave up waiting for a container.",
  },
  {
    name: "rust-panicked",
    where: "failing",
    lasts: "started",
    otherwise: "crash",
    store: true,
    source: "rust std::panicking, qdrant, vaultwarden",
    pattern:
      /\bthread '(?!tokio-runtime-worker|actix-rt)[^'\n]{1,60}' (?:\(\d+\) )?panicked at|^Panic occurred in file/,
    quote: /\bthread '[^'\n]{1,60}' (?:\(\d+\) )?panicked at [^\n]{1,200}:\d+:\d+:\n[^\n]{1,400}/,
    example:
      "thread 'main' panicked at src/main.rs:60:17:\ncalled `Option::unwrap()` on a `None` value",
    lookAlike: "thread 'tokio-runtime-worker' panicked at src/api.rs:60:17: index out of bounds",
    meaning: "A program in Rust ended itself.",
  },
  {
    name: "go-panicked",
    where: "raw",
    lasts: "ended",
    otherwise: "crash",
    store: true,
    source: "Go runtime",
    pattern:
      /^(?:panic: (?!.{0,200}\[recovered\]\s*$)|fatal error: (?:all goroutines are asleep|concurrent map|runtime: |out of memory|stack overflow|unexpected signal|found bad pointer))/,
    example:
      "panic: runtime error: invalid memory address or nil pointer dereference\n\ngoroutine 1 [running]:",
    lookAlike:
      "2026/01/02 03:04:05 http: panic serving 10.0.0.7:51234: runtime error: index out of range",
    meaning: "A program in Go ended itself.",
  },
  {
    name: "java-not-started",
    where: "failing",
    lasts: "ended",
    after: true,
    otherwise: "config",
    source: "Spring Boot, JVM, Quarkus",
    pattern:
      /\bApplication run failed\b|^\s*APPLICATION FAILED TO START|Failed to start (?:server in \(\w+\) mode|application \(with profile)/m,
    quote: /Description:\s*\n\s*([^\n]{1,400})/,
    example:
      "2026-01-02T03:04:05.678Z ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed\njava.lang.IllegalStateException: Cannot load driver class",
    lookAlike:
      "2026-01-02T03:04:05.678Z ERROR 1 --- [   scheduling-1] o.s.s.s.TaskUtils$LoggingErrorHandler    : Unexpected error occurred in scheduled task",
    meaning: "The Java application could not be started.",
  },
  {
    name: "java-uncaught",
    where: "raw",
    lasts: "ended",
    otherwise: "crash",
    source: "JVM",
    pattern: /^Exception in thread "main"/,
    example:
      'Exception in thread "main" java.lang.IllegalStateException: No vault\n\tat gateway.Main.main(Main.java:12)',
    lookAlike:
      'Exception in thread "poller-3" java.net.SocketTimeoutException: Read timed out\n\tat gateway.Poller.run(Poller.java:12)',
    meaning: "An exception nobody caught ended the Java program.",
  },
  {
    name: "jvm-ended",
    where: "raw",
    lasts: "ended",
    class: "crash",
    source: "JVM",
    store: true,
    pattern:
      /^# A fatal error has been detected by the Java Runtime Environment|^Error occurred during initialization of VM|^Terminating due to java\.lang\.OutOfMemoryError|There is insufficient memory for the Java Runtime Environment/m,
    example: "# A fatal error has been detected by the Java Runtime Environment:",
    lookAlike: "Picked up JAVA_TOOL_OPTIONS: -XX:+ExitOnOutOfMemoryError",
    meaning: "The Java runtime itself gave up.",
  },
  {
    name: "python-ended",
    where: "raw",
    lasts: "started",
    otherwise: "crash",
    source: "Python",
    pattern: /^Traceback \(most recent call last\)/,
    example:
      'Traceback (most recent call last):\n  File "/app/main.py", line 3, in <module>\n    main()\nValueError: SECRET_KEY has the wrong length',
    lookAlike:
      '[09:12:01 WRN] Cannot fetch the feed\nTraceback (most recent call last):\n  File "/app/feed.py", line 3, in fetch\nTimeoutError: timed out',
    meaning:
      "A Python exception nobody caught ended the program, or it was printed during the start.",
  },
  {
    name: "workers-do-not-boot",
    where: "failing",
    lasts: "ended",
    otherwise: "crash",
    source: "gunicorn, uWSGI",
    pattern:
      /\bWorker failed to boot\b|^Exception in worker process|unable to load app \d+ .{0,40}\bcallable|no python application found, check your startup logs/,
    example:
      "[2026-01-02 03:04:05 +0000] [1] [ERROR] Worker (pid:7) exited with code 3 because Worker failed to boot.",
    lookAlike: "[2026-01-02 03:04:05 +0000] [1] [ERROR] Worker (pid:7) was sent SIGTERM!",
    meaning: "The server's workers cannot load the application.",
    after: true,
  },
  {
    name: "node-ended",
    where: "raw",
    lasts: "ended",
    otherwise: "crash",
    source: "Node.js",
    pattern: /^Node\.js v\d+\.\d+/,
    after: true,
    example:
      "Error: Cannot find module '/app/dist/main.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)\n\nNode.js v22.11.0",
    lookAlike: "Running on Node.js v22.11.0",
    meaning: "An error nobody caught ended the Node.js process.",
  },
  {
    name: "script-ended",
    where: "raw",
    lasts: "migration",
    otherwise: "crash",
    source: "npm, yarn, Composer, Rake",
    pattern:
      /^npm (?:ERR!|error) (?:code ELIFECYCLE|Lifecycle script|command failed|Exit status [1-9])|^error Command failed with exit code [1-9]|^(?:bin\/)?(?:rails|rake) aborted!/,
    after: true,
    example: "npm error Lifecycle script `migrate` failed with error:",
    lookAlike: "npm warn config production Use `--omit=dev` instead.",
    meaning: "A script that the start depends on ended with an error.",
  },
  {
    name: "php-fatal",
    where: "failing",
    lasts: "started",
    otherwise: "crash",
    source: "PHP",
    pattern: /^(?:PHP message: )?PHP Fatal error:|^Fatal error: Uncaught /,
    example:
      "PHP Fatal error:  Uncaught Exception: The vault cannot be read in /var/www/html/index.php:7",
    lookAlike:
      "PHP Deprecated:  Creation of dynamic property A::$b is deprecated in /var/www/html/a.php on line 7",
    meaning: "PHP gave up.",
  },
  {
    name: "heap-exhausted",
    where: "raw",
    lasts: "ended",
    class: "crash",
    store: true,
    source: "Node.js, Linux",
    pattern: /^FATAL ERROR: .{0,120}(?:heap|memory)|Out of memory: Killed process|\boom-kill:/,
    example: "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    lookAlike:
      "WARNING Memory overcommit must be enabled! Without it, a background save may fail under low memory condition.",
    meaning: "The process had no memory left.",
  },
  {
    name: "host-terminated",
    where: "error",
    lasts: "ended",
    otherwise: "crash",
    source: "templates of Serilog and NLog projects, Jellyfin",
    pattern:
      /\b(?:host|application|server|program|process|app|service|gateway)\b.{0,40}\bterminat(?:ed unexpectedly|ed (?:due|because|with (?:an )?(?:error|exception))|ing (?:due|because))|Stopped program because of (?:an )?exception|Error while starting server|EPIC FAIL|\bunhandled exception (?:during|at|in|on) (?:start-?up|boot|main)/i,
    example:
      "[09:12:01 FTL] Host terminated unexpectedly\nSystem.InvalidOperationException: Sequence contains no elements",
    lookAlike: "[09:12:01 WRN] The session of the gateway was terminated by the client",
    meaning: "The application says that its host ended because of an error.",
  },
  {
    name: "startup-failed",
    where: "error",
    lasts: "started",
    otherwise: "config",
    source: "applications' own words",
    pattern:
      /\bstart-?up\b.{0,40}\b(?:fail(?:ed|ure)|abort(?:ed|ing)|error|exception|crash)|\b(?:fail(?:ed|ure)|unable|cannot|could not|refus(?:ed|ing)|error|exception)\b.{0,40}\b(?:to start|start-?up|starting (?:the )?(?:app|host|server|service|web|gateway)|boot)\b|\b(?:fatal|critical) error\b|aborting (?:start|launch)|\bcrashed (?:on|during|at) start-?up\b|\bError in appHost\.Init\b/i,
    example: "[09:12:01 ERR] Failed to start gateway: vault.key is missing",
    lookAlike: "[09:12:01 WRN] Could not boost the start of the cache",
    meaning: "The application says that it could not start.",
  },
];
