#!/bin/sh
# After the files have gone: `remove` leaves configuration, keys and state; `purge` leaves nothing
# but what people put there themselves.
set -e
@COMMON@

# Whether the other of limpet's packages is here, if only with its configuration.
other_is_here() {
    state=$(dpkg-query -W -f '${db:Status-Status}' "@OTHER@" 2>/dev/null) || state=
    case "$state" in
    '' | not-installed) return 1 ;;
    esac
}

# What people wrote stays; whoever gets the number of a deleted group next must not own it.
left_to_root() { # GROUP PATH...
    group=$1
    shift
    for place in "$@"; do
        [ ! -d "$place" ] || find "$place" -xdev -group "$group" -exec chgrp -h root {} + || :
    done
}

empty() {
    for place in "$@"; do
        [ ! -d "$place" ] || rmdir --ignore-fail-on-non-empty "$place" || warn "$place stays"
    done
}

# A mount point can't be removed, only emptied; a purge does not fail because of it.
forget() {
    for place in "$@"; do
        rm -rf "$place" || warn "$place stays"
    done
}
@PURGE@
case "$1" in
remove)
    rm -rf "$home/versions" "$home/current" "$home/.current-new" "$home/.fresh" "$home/.before"
    empty "$home" /opt/limpet
    # An upgrade ends with the package: with its versions gone, nothing could go on with it after
    # the next installation, and everything else would wait for its end.
    [ "$role" != minion ] || rm -f /var/lib/limpet-minion/upgrade/record.json
    # Nobody's, so that dpkg takes it along when it is empty; it was there before.
    [ -d /opt ] || mkdir -m 0755 /opt
    ! systemd_runs || systemctl daemon-reload || :
    ;;
purge)
    purge
    ! systemd_runs || systemctl reset-failed $units 2>/dev/null || :
    ;;
esac
exit 0
