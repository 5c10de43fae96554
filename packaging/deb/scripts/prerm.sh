#!/bin/sh
# Before the files of this version go.
set -e
@COMMON@
@SCHEMA_OF_STORE@

case "$1" in
remove)
    if systemd_runs && may stop; then
        # shellcheck disable=SC2086
        systemctl stop $units || warn "could not stop $units: systemctl status $units"
    fi
    if command -v systemctl >/dev/null; then
        # The first boot of an image may have enabled what every host has on anyway (presets).
        # shellcheck disable=SC2086
        systemctl disable --quiet $units @WANTED@ || warn "could not disable $units"
    fi
    update-alternatives --remove limpet "$home/current/bin/limpet"
    rm -rf "$home/versions" "$home/current" "$home/.current-new" "$home/.fresh" "$home/.before"
    ;;
failed-upgrade)
    # Only a newer version that may not be replaced by this one fails.
    exit 1
    ;;
upgrade)
@REFUSAL@
    ;;
esac
exit 0
