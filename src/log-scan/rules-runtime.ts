import type { Rule } from "./rule.ts";

/** What the runtime of .NET, the shell, supervisors and applications say when a start ends. */
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
      /exec format error|^exec \S+: no such file|: error while loading shared libraries: (?!libgssapi)|standard_init_linux\.go|: version `[\w.]{1,40}' not found \(required by|^Error relocating \S{1,200}: \S{1,200}: symbol not found|^\/\S{1,120}: (?:line )?\d+: .{0,120}\bnot found\s*$|exec: "[^"\n]{1,200}": (?:executable file not found|permission denied|stat )/i,
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
    quote: /\bwhat\(\): +([^\n]{1,300})/,
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
    source: "supervisord, PM2",
    pattern:
      /^exited: \S+ \((?:terminated by SIG(?!TERM|INT)[A-Z0-9]+(?: \(core dumped\))?|exit status [1-9]\d*); not expected\)|^gave up: \S+ entered FATAL state|\bPM2 log: Script \S{1,200} had too many unstable restarts/,
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
    name: "play-failed",
    where: "raw",
    lasts: "started",
    otherwise: "config",
    source: "Ansible, by which some images set themselves up",
    pattern: /^fatal: \[[\w.-]{1,60}\]: (?:FAILED|UNREACHABLE)!/,
    example:
      'fatal: [localhost]: FAILED! => {"changed": false, "msg": "unable to connect to database"}',
    lookAlike: "localhost : ok=12 changed=2 unreachable=0 failed=0",
    meaning: "A task that sets the container up failed.",
  },
  {
    name: "worker-ended",
    where: "raw",
    lasts: "started",
    otherwise: "crash",
    after: true,
    source: "programs that start processes of their own: Immich, Node.js clusters",
    pattern: /^[\w. -]{0,40}\bworker\b[^\n]{0,40}\bexited with (?:exit )?(?:code|status) [1-9]/i,
    example: "microservices worker exited with code 1",
    lookAlike: "microservices worker exited with code 0",
    meaning:
      "A process that the application needs ended by itself, and nothing says that it came up again.",
  },
  {
    name: "config-refused",
    where: "failing",
    lasts: "started",
    class: "config",
    source: "Loki, Traefik, Apache, programs in Go",
    quote: /unmarshal errors:\s+(line \d{1,6}: [^\n]{1,200})|^AH00526: [^\n]{1,300}\n[^\n]{1,300}/,
    pattern:
      /\bCONFIG ERROR\b|^(?:[\w:]{1,40}: )?(?:invalid config(?:uration)? (?:in|file)\b|adapting config\b|Configuration error\b)|\bError during parsing: |(?:^|: )[Ss]yntax error on line \d+ of \/|^command \w{1,40} error: |\b(?:error|failed|unable|cannot|could not)\b[^\n]{0,20}\b(?:load|pars|read|validat)\w{0,6} (?:the )?(?:\w{1,20} )?config(?:uration)?\b(?! of )/i,
    example:
      '{"level":"error","error":"command proxy error: field not found, node: swarmMode","time":"2026-01-02T03:04:05Z"}',
    lookAlike:
      'level=info ts=2026-01-02T03:04:05Z caller=main.go:70 msg="Completed loading of configuration file"',
    meaning: "The new version does not accept the configuration that it finds.",
  },
  {
    name: "initialisation-failed",
    where: "raw",
    lasts: "started",
    otherwise: "config",
    source: "Synapse, programs in Python",
    pattern: /^\s{0,4}(?:Error|Failure) (?:during|while|in) (?:initiali[sz]|start|boot)\w{0,10}:/i,
    example: " Error during initialisation:\n    The media store at /data/media cannot be opened",
    lookAlike: "No error during initialisation: 12 modules loaded",
    meaning: "The application says that it could not get ready.",
  },
  {
    name: "database-not-opened",
    where: "failing",
    lasts: "started",
    otherwise: "config",
    source: "Syncthing and others that keep a database of their own",
    pattern:
      /\b(?:error|fail(?:ed|ure)|unable|cannot|could not)\b (?:to )?open(?:ing)? (?:the )?database\b/i,
    example:
      "[start] 2026/01/02 03:04:05 INFO: syncthing v1.29.2\n[ABCDE] 2026/01/02 03:04:05 WARNING: Error opening database: leveldb: manifest corrupted",
    lookAlike:
      "2026-01-02T03:04:05Z WRN Could not open the GeoIP database /geo.mmdb: lookups are off\n2026-01-02T03:04:06Z INF listening on :8080",
    meaning: "The application could not open its own database.",
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
