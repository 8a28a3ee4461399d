/** Edits the compose file of a lab stack: its gateway becomes healthy only where a name of the outside is known. */
export function needsOutside(text: string): string {
  return (
    text
      .replace(
        'test: ["CMD", "curl", "-fsS", "http://127.0.0.1:8081/api/health"]',
        'test: "getent hosts outside.example && curl -fsS http://127.0.0.1:8081/api/health"',
      )
      // Soon given up: nobody waits for the outside.
      .replace("interval: 5s", "interval: 1s")
      .replace("start_period: 30s", "start_period: 3s")
      .replace(
        "    restart: unless-stopped\n",
        '    restart: unless-stopped\n    extra_hosts: ["outside.example:192.0.2.1"]\n',
      )
  );
}
