# Whether the version before can watch over the restart into this one, and is to.
has_guard() {
    [ "$before" != "versions/$build" ] && [ -z "${LIMPET_UPGRADE:-}" ] && systemd_runs &&
        may restart && systemctl is-active --quiet limpet-minion.service &&
        [ -d "$home/$before/lib/python3.11/dist-packages/limpet/minion/upgrading" ]
}

# A boot between the switch and the guard's own record must not start this version unwatched.
prepare() {
    has_guard || return 0
    systemctl stop limpet-minion-guard.service 2>/dev/null || : # of an upgrade a moment ago
    timeout -k 5 30 "$home/$before/bin/limpet" minion guard --prepare \
        --from "${before#versions/}" --to "$build" ||
        warn "a power cut within this second would start $build unwatched"
}
