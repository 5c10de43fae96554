    # The version before watches over the restart, outside of this process, and goes back to itself
    # if the new one is not ready in time.
    if has_guard; then
        systemd-run --quiet --unit=limpet-minion-guard --collect --no-block \
            "$home/$before/bin/limpet" minion guard --from "${before#versions/}" --to "$build" &&
            return 0
        # What was noted down may not stay behind: the service that goes on with it at boot does so
        # now.
        if [ -e /var/lib/limpet-minion/upgrade/record.json ] &&
            systemctl start --no-block limpet-minion-upgrade.service; then
            return 0
        fi
        warn "nobody watches over this restart: systemd-run failed"
    fi
