#!/bin/sh
# Before the files of this version come: what only the version that is there can do.
set -e
umask 022
@COMMON@
@PREINST@
exit 0
