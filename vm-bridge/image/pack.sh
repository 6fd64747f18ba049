#!/bin/sh
# pack.sh ROOT NAME UUID: makes the file system of one layer out of the installed system at ROOT.
#
# Runs as root of mmdebstrap's namespace, so that owners are what they are in the guest. With a base system in
# ROOT/.image/base, only what differs from it is packed: an overlay of the two is the installed system. Leaves in
# ROOT/.image/out: file-system.ext2, packages (name, tab, version), copyright/PACKAGE, and tree.tar for the base.
set -eu
root=$1 name=$2 uuid=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree out=$root/.image/out base=$root/.image/base
mkdir -p "$tree" "$out/copyright"

dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Status}\t${Package}\t${Version}\n' |
    sed -n 's/^installed\t//p' > "$out/packages"
cut -f 1 "$out/packages" | while read -r package; do
    cp -L "$root/usr/share/doc/$package/copyright" "$out/copyright/$package" 2>/dev/null || true
done

# Device nodes, mounts and what belongs to this build stay behind.
tar --one-file-system --numeric-owner -C "$root" -cf - \
    --exclude=./.image --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./run/*' \
    --exclude='./tmp/*' --exclude='./var/tmp/*' --exclude='./var/cache/*' --exclude='./var/log/*.log' \
    --exclude=./var/log/apt \
    --exclude='./var/lib/apt/*' --exclude='./etc/apt/*' --exclude='./var/lib/dpkg/*-old' \
    --exclude='./etc/*-' --exclude='./etc/machine-id' . |
    tar --numeric-owner -C "$tree" -xpf -

# mmdebstrap keeps services from starting while packages are installed.
rm -f "$tree/usr/sbin/policy-rc.d"
if [ -e "$tree/usr/sbin/start-stop-daemon.REAL" ]; then
    mv -f "$tree/usr/sbin/start-stop-daemon.REAL" "$tree/usr/sbin/start-stop-daemon"
fi

if [ -d "$base" ]; then
    # dpkg's database and the linker's cache are the base's: each layer would hide the others'. The name and the
    # name server were this machine's while packages were installed.
    for file in var/lib/dpkg var/lib/systemd etc/ld.so.cache etc/hostname etc/hosts etc/resolv.conf; do
        rm -rf "${tree:?}/$file"
    done
    (cd "$base" && find . ! -type d) | while IFS= read -r file; do
        [ -L "$tree/$file" ] || [ -f "$tree/$file" ] || continue
        if [ -L "$base/$file" ] && [ -L "$tree/$file" ]; then
            [ "$(readlink "$base/$file")" != "$(readlink "$tree/$file")" ] || rm "$tree/$file"
        elif [ ! -L "$base/$file" ] && [ ! -L "$tree/$file" ]; then
            ! cmp -s "$base/$file" "$tree/$file" || rm "$tree/$file"
        fi
    done
    find "$tree" -mindepth 1 -depth -type d | while IFS= read -r folder; do
        [ ! -d "$base${folder#"$tree"}" ] || rmdir "$folder" 2>/dev/null || true
    done
else
    tar --numeric-owner --sort=name -C "$tree" -cf "$out/tree.tar" .
fi

# Nothing is younger than the recipe: the same packages make the same bytes.
find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +

# Blocks: what the files take, their indirect blocks, the inodes, and 4 MiB for what is added later (free blocks are
# zeros, which nobody downloads); a whole number of chunks of 256 KiB.
set -- $(find "$tree" -printf '%y %s\n' | awk '
    { inodes += 1; n = int(($2 + 4095) / 4096)
      if ($1 == "f" && n > 12) n += int(n / 1024) + 2
      if ($1 == "d" && n < 1) n = 1
      if ($1 == "l") n = $2 > 59
      blocks += n }
    END { inodes += 512; blocks = int(blocks * 1.02 + inodes / 32) + 1024 + 256
          print inodes, int((blocks + 63) / 64) * 64 }')
# What mke2fs says of 2038 and of a configuration that is empty on purpose matters only when it fails.
export MKE2FS_CONFIG=/dev/null E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH"
mke2fs -q -F \
    -O none,ext_attr,dir_index,filetype,sparse_super,large_file -b 4096 -I 128 -m 0 -N "$1" \
    -L "$name" -U "$uuid" -E "hash_seed=$uuid,root_owner=0:0" -d "$tree" \
    "$out/file-system.ext2" "$2" > "$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
debugfs -w -R 'rmdir lost+found' "$out/file-system.ext2" 2> /dev/null
tar -C "$out" -cf "$out/copyright.tar" copyright
