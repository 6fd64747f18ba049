#!/bin/sh
# Runs with the installed system at $1: has Python take its compiled modules as they are.
#
# While SOURCE_DATE_EPOCH is set, Debian's packages compile modules so that every import reads the source as well and
# hashes it (PEP 552, checked hash-based files). Here no source ever changes, and what is read is downloaded first.
set -eu
chroot "$1" sh -c 'PYTHONHASHSEED=0 python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.*/'
