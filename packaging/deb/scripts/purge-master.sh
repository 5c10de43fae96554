
purge() {
    forget /var/lib/limpet /var/cache/limpet /run/limpet
    forget /etc/limpet/master.d/50-setup.yaml
    empty /etc/limpet/master.d /srv/limpet/states /srv/limpet/pillar /srv/limpet
    if ! other_is_here; then
        empty /etc/limpet
        left_to_root limpet /etc/limpet
    fi
    left_to_root limpet /srv/limpet
    # Out of the group first: `userdel` would take it along, and the minion may need it.
    ! getent passwd limpet >/dev/null || usermod --gid nogroup --groups "" limpet ||
        warn "the user limpet stays a member of its groups"
    for user in limpet limpet-enrol; do
        ! getent passwd "$user" >/dev/null || userdel "$user" 2>/dev/null || warn "the user $user stays"
    done
    ! getent group limpet-enrol >/dev/null || groupdel limpet-enrol || warn "group limpet-enrol stays"
    other_is_here || ! getent group limpet >/dev/null || groupdel limpet || warn "group limpet stays"
}

