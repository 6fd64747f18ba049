#!/bin/sh
# kernel.sh SOURCE CONFIG JOBS: configures and builds SOURCE/arch/x86/boot/bzImage, a kernel for i386 without modules.
set -eu
source=$1 config=$2 jobs=$3
export ARCH=i386 KBUILD_BUILD_TIMESTAMP=@${SOURCE_DATE_EPOCH} KBUILD_BUILD_USER=supabase KBUILD_BUILD_HOST=lite
cd "$source"
make -s tinyconfig > /dev/null
cat "$config" >> .config
# It says of each choice that is made twice that it was; the check below says what counts.
make -s olddefconfig 2> /dev/null
lost=$(sed -n 's/^\(CONFIG_[A-Z0-9_]*=.*\)$/\1/p' "$config" | while read -r line; do
    case $line in
    *=n) ! grep -q "^${line%=n}=" .config || echo "$line" ;;
    *) grep -qx "$line" .config || echo "$line" ;;
    esac
done)
if [ -n "$lost" ]; then
    echo "the kernel's configuration did not keep: $lost" >&2
    exit 1
fi
nice make -s -j"$jobs" bzImage
