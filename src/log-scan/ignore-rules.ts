/** A record that looks like a failure but is harmless, as data. */
interface HarmlessRule {
  readonly name: string;
  /** Matched against the logger's category, where given. */
  readonly category?: RegExp;
  /** Matched against the message, where given. */
  readonly pattern?: RegExp;
  /** Matched against the exception, where given. */
  readonly exception?: RegExp;
  readonly example: string;
  readonly source: string;
  /** Why it is harmless. */
  readonly why: string;
}

/** Records that are skipped before any rule is tried. */
export const HARMLESS: readonly HarmlessRule[] = [
  {
    name: "says-it-is-none",
    pattern: /\bthis is not an error\b/i,
    source: "Kavita",
    example:
      "[Kavita] [2026-01-13 11:38:11.556 +00:00  6] [Fatal] API.Program Running MigrateX migration - Please be patient, this may take some time. This is not an error",
    why: "The highest level is used so that the line is seen.",
  },
  {
    name: "pending-model-logged",
    pattern: /^The model for context '[^'\n]{1,200}' (?:has pending changes|changes each time)/,
    source: "dotnet/efcore 20409 with ConfigureWarnings(Log)",
    example:
      "[09:12:01 ERR] The model for context 'Db' has pending changes. Add a new migration before updating the database.",
    why: "Logged and not thrown: the application chose to go on.",
  },
  {
    name: "host-aborted",
    exception:
      /^\s*Microsoft\.Extensions\.Hosting\.(?:HostAbortedException|\S*StopTheHostException)/,
    source: "dotnet/runtime HostFactoryResolver, dotnet ef, migration bundles",
    example:
      "[09:12:01 FTL] Host terminated unexpectedly\nMicrosoft.Extensions.Hosting.HostAbortedException: The host was aborted.",
    why: "A tool built the host only to read its services, and stopped it by this exception.",
  },
  {
    name: "gssapi-missing",
    pattern: /libgssapi_krb5\.so/,
    source: "npgsql 10 on slim images",
    example:
      "Error: libgssapi_krb5.so.2: cannot open shared object file: No such file or directory",
    why: "Kerberos is optional; the driver goes on with a password.",
  },
  {
    name: "optional-part",
    pattern: /^Failed to start Python task runner in internal mode/,
    source: "n8n",
    example:
      "Failed to start Python task runner in internal mode. because Python 3 is missing from this system. Launching a Python runner in internal mode is intended only for debugging and is not recommended for production.",
    why: "The application says that it goes on without an optional part.",
  },
  {
    name: "request",
    category:
      /^Microsoft\.AspNetCore\.(?:Server\.|Diagnostics\.(?:ExceptionHandler|DeveloperExceptionPage)|Mvc|Routing|Authentication|Authorization|DataProtection|Antiforgery|SignalR|Components|Http|HttpLogging|Session|Cors|HttpsPolicy|HttpOverrides|StaticFiles)/,
    source: "dotnet/aspnetcore",
    example:
      'fail: Microsoft.AspNetCore.Server.Kestrel[13]\n      Connection id "0HN", Request id "0HN:00000002": An unhandled exception was thrown by the application.\n      Npgsql.PostgresException (0x80004005): 42P01: relation "Widgets" does not exist',
    why: "One request failed; the process serves on.",
  },
  {
    name: "health-check",
    category: /HealthChecks?\b/,
    source: "dotnet/aspnetcore",
    example:
      "fail: Microsoft.Extensions.Diagnostics.HealthChecks.DefaultHealthCheckService[103]\n      Health check npgsql with status Unhealthy completed after 5012.3301ms with message 'The operation has timed out.'",
    why: "Health is judged by the health check itself, over time.",
  },
  {
    name: "request-text",
    pattern:
      /^(?:\[ExceptionsHandler\] |An unhandled exception (?:has occurred|was thrown) (?:while executing the request|by the application)|Connection id "[^"\n]{0,60}"|HTTP [A-Z]{3,7} ["/]|Unhandled exception (?:rendering|in circuit))/i,
    source: "dotnet/aspnetcore, Serilog request logging, NestJS",
    example:
      '[09:12:01 ERR] An unhandled exception has occurred while executing the request.\nNpgsql.PostgresException (0x80004005): 42P01: relation "Widgets" does not exist',
    why: "One request failed; the process serves on.",
  },
  {
    name: "outgoing-mail-and-http",
    category: /^System\.Net\.Http\.|^Polly\b|^MassTransit\b|^Hangfire\b|^Quartz\b/,
    source: "libraries that retry by themselves",
    example:
      "fail: Hangfire.AutomaticRetryAttribute[0]\n      Failed to process the job '12': an exception occurred. Retry attempt 1 of 10 will be performed in 00:00:20.\n      Npgsql.PostgresException (0x80004005): 23505: duplicate key value violates unique constraint \"X\"",
    why: "A job or a call failed and is tried again; no migration runs there.",
  },
];
