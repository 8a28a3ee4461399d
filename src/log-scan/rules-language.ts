import type { Rule } from "./rule.ts";

/** What the runtimes of languages, and their usual launchers, say when a program ends. */
export const LANGUAGE_RULES: readonly Rule[] = [
  {
    name: "rust-panicked",
    where: "failing",
    lasts: "started",
    otherwise: "crash",
    store: true,
    source: "rust std::panicking, qdrant, vaultwarden",
    pattern:
      /\bthread '(?!tokio-runtime-worker|actix-rt)[^'\n]{1,60}' (?:\(\d+\) )?panicked at|^Panic occurred in file|^The application panicked \(crashed\)\./,
    quote:
      /\bthread '[^'\n]{1,60}' (?:\(\d+\) )?panicked at [^\n]{1,200}:\d+:\d+:\n[^\n]{1,400}|(?<=^The application panicked \(crashed\)\.\n)Message: {1,4}[^\n]{1,400}/,
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
    quote:
      /^(?:bin\/)?(?:rails|rake) aborted!\s{0,8}\n(?:[\w:]{1,120}:\s{0,8}\n)?\s{0,8}([^\n]{1,400})/,
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
];
