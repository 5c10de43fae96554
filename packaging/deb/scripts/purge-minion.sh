
purge() {
    forget /var/lib/limpet-minion /var/cache/limpet-minion /run/limpet-minion
    forget /etc/limpet/minion.d/50-setup.yaml
    empty /etc/limpet/minion.d
    if ! other_is_here; then
        empty /etc/limpet
        if getent group limpet >/dev/null; then
            left_to_root limpet /etc/limpet
            groupdel limpet || warn "the group limpet stays"
        fi
    fi
}

