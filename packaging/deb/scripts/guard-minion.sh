    # The version before watches over the restart, outside of this process, and goes back to itself
    # if the new one is not ready in time.
    if has_guard; then
        systemd-run --quiet --unit=limpet-minion-guard --collect --no-block \
            "$home/$before/bin/limpet" minion guard --from "${before#versions/}" --to "$build" &&
            return 0
        warn "nobody watches over this restart: systemd-run failed"
    fi
