#!/bin/sh
# A tool that runs before the server made its cookie would make one as root, which the server then cannot read.
if [ ! -s /var/lib/rabbitmq/.erlang.cookie ]; then
  echo "Error: the server has not started yet" >&2
  exit 69
fi
exec "/usr/lib/rabbitmq/bin/${0##*/}" "$@"
