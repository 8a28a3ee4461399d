/**
 * Has the server send an RDB at once. A server that sends without a file of its own first waits for further replicas, five
 * seconds by default, which nobody but a real replica needs. The wait is taken away for the moment in which the transfer
 * begins, and put back by this same script as soon as it has begun, or when it is ended: it goes on by itself when whoever
 * started it is killed, and what `CONFIG SET` sets does not outlive the server. A server that lets nobody set
 * it keeps its wait.
 *
 * Standard output is the RDB alone, standard error what `redis-cli` says.
 */
const script = `
port=$1
wait=repl-diskless-sync-delay
ask() { redis-cli -e -p "$port" CONFIG "$@" 2>/dev/null; }
before=$(ask GET "$wait") || before=
before=\${before#*
}
case $before in 0|*[!0-9]*) before= ;; esac
put_back() { [ -z "$before" ] || { ask SET "$wait" "$before" > /dev/null; before=; }; }
trap 'put_back; exit 143' TERM INT HUP
[ -z "$before" ] || ask SET "$wait" 0 > /dev/null || before=
{ { redis-cli -e -p "$port" --rdb -; echo "ended with $?" >&2; } 2>&1 >&3 3>&- | {
  trap '' PIPE
  code=1
  while IFS= read -r line; do
    case $line in
      "ended with "*) code=\${line#ended with }; continue ;;
      *"SYNC sent"*) put_back ;;
    esac
    printf '%s\\n' "$line" >&2
  done
  put_back
  exit "$code"
}; } 3>&1
code=$?
[ "$code" -lt 128 ] || put_back
exit "$code"
`;

/** The command that sends an RDB of the server at a port to its standard output. The password comes by environment. */
export function transferCommand(port: number): string[] {
  return ["sh", "-c", script, "redis-transfer", String(port)];
}
