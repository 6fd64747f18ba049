#!/bin/sh
# Runs with the installed base system at $1, before it is packed: what the guest needs beyond packages.
set -eu
root=$1

# The programs themselves: Debian's wrapper around them is Perl.
for program in psql pg_dump pg_dumpall pg_restore pg_isready; do
    ln -sfn "../lib/postgresql/17/bin/$program" "$root/usr/bin/$program"
done

echo supabase > "$root/etc/hostname"
printf '127.0.0.1\tlocalhost supabase\n10.0.2.2\tgateway\n' > "$root/etc/hosts"
printf 'nameserver 10.0.2.2\noptions timeout:2 attempts:2\n' > "$root/etc/resolv.conf"
printf '/dev/sda1 / auto ro 0 0\n' > "$root/etc/fstab"

# The root is read-only: what is mounted on it needs a place.
mkdir -p "$root/data" "$root/app" "$root/layers"
for layer in nginx node python; do mkdir -p "$root/layers/$layer"; done
