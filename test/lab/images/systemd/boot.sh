#!/bin/sh
# Every start of this container is a boot of its own: the kernel's id of the boot is another one.
set -eu
cat /proc/sys/kernel/random/uuid > /boot-id
mount --bind /boot-id /proc/sys/kernel/random/boot_id
exec /lib/systemd/systemd
