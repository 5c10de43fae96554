    # The version before watches over the restart, outside of this process, and goes back to itself
    # if the new one is not ready in time.
    if [ "$before" != "versions/$build" ] && systemctl is-active --quiet limpet-minion.service &&
        [ -d "$home/$before/lib/python3.11/dist-packages/limpet/minion/upgrading" ]; then
        systemctl stop limpet-minion-guard.service 2>/dev/null || : # of an upgrade a moment ago
        systemd-run --quiet --unit=limpet-minion-guard --collect --no-block \
            "$home/$before/bin/limpet" minion guard --from "${before#versions/}" --to "$build" &&
            return 0
        warn "nobody watches over this restart: systemd-run failed"
    fi
