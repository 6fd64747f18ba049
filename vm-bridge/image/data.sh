#!/bin/sh
# data.sh FILE BYTES UUID: an empty data disk, sparse. Inode tables and journal are zero already, so the guest has
# nothing to initialize; 256-byte inodes, because it is written to in years to come.
set -eu
truncate -s "$2" "$1"
export MKE2FS_CONFIG=/dev/null E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH"
features=has_journal,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file
said=$(mke2fs -q -F -O "none,$features,huge_file,dir_nlink,extra_isize,metadata_csum" \
    -b 4096 -I 256 -i 16384 -m 0 -J size=16 -L data -U "$3" \
    -E "hash_seed=$3,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,discard" "$1" 2>&1) ||
    { echo "$said" >&2; exit 1; }
