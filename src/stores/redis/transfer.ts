import { quoted } from "../../core/shell.ts";

const notPutBack = "repl-diskless-sync-delay is still 0: it was ";

/**
 * Makes the server send an RDB immediately. Before a diskless transfer the server waits for more replicas, five seconds
 * by default; a backup does not need that wait. The script sets the delay to 0, and restores it as soon as the transfer
 * has begun or when the script is ended. The script continues if its caller is killed, and a value of `CONFIG SET` does
 * not survive a restart of the server. A server that refuses `CONFIG SET` keeps its delay. If the delay cannot be
 * restored, standard error says so: see {@link delayLeft}.
 *
 * Standard output is only the RDB, standard error the messages of `redis-cli`.
 */
const script = `
wait=repl-diskless-sync-delay
ask() { [ -n "$config" ] && client "$config" "$@" 2>/dev/null; }
set_wait() { [ "$(ask SET "$wait" "$1")" = OK ]; }
before=$(ask GET "$wait") || before=
before=\${before#*
}
case $before in 0|*[!0-9]*) before= ;; esac
put_back() { [ -z "$before" ] || { set_wait "$before" && before=; }; }
put_back_or_tell() {
  for try in 1 2 3; do
    put_back && return
    [ "$try" = 3 ] || sleep 1
  done
  echo "${notPutBack}$before" >&2
}
trap 'put_back_or_tell; exit 143' TERM INT HUP
[ -z "$before" ] || set_wait 0 || before=
{ { client --rdb -; echo "ended with $?" >&2; } 2>&1 >&3 3>&- | {
  trap '' PIPE
  code=1
  while IFS= read -r line; do
    case $line in
      "ended with "*) code=\${line#ended with }; continue ;;
      *"SYNC sent"*) put_back ;;
    esac
    printf '%s\\n' "$line" >&2
  done
  put_back_or_tell
  exit "$code"
}; } 3>&1
code=$?
[ "$code" -lt 128 ] || put_back_or_tell
exit "$code"
`;

/**
 * The command that writes an RDB of a server to standard output. The password is in the environment.
 *
 * @param client - the client program with the options that reach the server
 * @param config - the server's name for `CONFIG`; empty if it has none
 */
export function transferCommand(client: readonly string[], config = "CONFIG"): string[] {
  const head = `config=${quoted(config)}\nclient() { ${client.map(quoted).join(" ")} "$@"; }\n`;
  return ["sh", "-c", head + script, "redis-transfer"];
}

/** The delay in seconds that could not be restored after a transfer, from its messages; undefined if it was restored. */
export function delayLeft(messages: string): number | undefined {
  const at = messages.indexOf(notPutBack);
  return at < 0 ? undefined : Number.parseInt(messages.slice(at + notPutBack.length), 10);
}
