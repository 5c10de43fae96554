#!/bin/sh
# Makes a directory of this version by hard links and switches to it. Every step may be cut off and
# begun again; none of them waits for a service, and none fails because one is in a bad state.
set -e
umask 022
@COMMON@
@USERS@
owned() { # PATH MODE OWNER:GROUP
    dpkg-statoverride --list "$1" >/dev/null 2>&1 && return 0
    chown "$3" "$1"
    chmod "$2" "$1"
}

directory() { # PATH MODE OWNER:GROUP
    [ -d "$1" ] || mkdir -m 0700 "$1"
    owned "$@"
}

configured() {
    for file in "/etc/limpet/$role.yaml" "/etc/limpet/$role.d"/*.yaml; do
        [ -f "$file" ] && grep -q '^[[:space:]]*[A-Za-z_"{]' "$file" && return 0
    done
    return 1
}

make_version() {
    target=$home/versions/$build
    mkdir -p "$home/versions"
    rm -rf "$home/versions"/.new-*
    if [ -d "$target" ]; then
        # Installed again: each file that was damaged is replaced by a whole one, by rename. Never
        # written to: a process may have it mapped.
        cp -alf "$home/payload/." "$target/" 2>/dev/null ||
            cp -a --remove-destination "$home/payload/." "$target/"
        find "$target" -type d -exec sync {} +
        return
    fi
    new=$home/versions/.new-$build
    if cp -al "$home/payload" "$new" 2>/dev/null; then
        find "$new" -type d -exec sync {} +
    else # no hard links here
        rm -rf "$new"
        cp -a "$home/payload" "$new"
        find "$new" -exec sync {} +
    fi
    mv -T "$new" "$target"
    sync "$home/versions"
}

switch() {
    ln -sfn "versions/$build" "$home/.current-new"
    mv -fT "$home/.current-new" "$home/current"
    sync "$home"
}

@PREPARE@

begin() {
    # shellcheck disable=SC2086
    systemctl enable --quiet $units || warn "could not enable $units"
    if systemd_runs && may start; then
        # shellcheck disable=SC2086
        systemctl start --no-block $units || warn "could not start $units: systemctl status $units"
    fi
}

go_over() {
    [ -z "${LIMPET_UPGRADE:-}" ] || return 0 # whoever set it restarts, and watches
    systemd_runs || return 0
    # The preinst of another version refused, and what runs is what ran before.
    [ "$1" != abort-upgrade ] || [ "$before" != "versions/$build" ] || return 0
    if ! may restart; then
        warn "not restarted (policy-rc.d); the version before runs on: systemctl restart $units"
        return 0
    fi
    @GUARD@
    # shellcheck disable=SC2086
    systemctl try-restart --no-block $units || warn "could not restart: systemctl status $units"
}

settle_units() {
    command -v systemctl >/dev/null || return 0
    if systemd_runs; then
        systemctl daemon-reload || warn "systemd did not read its units again: systemctl daemon-reload"
    fi
    if [ ! -e "$home/.fresh" ]; then
        go_over "$1"
    elif configured; then
        begin
    fi
}

# Of versions stay: this one, the one that ran until now, those that an upgrade may go back to, and
# those that somebody runs; where that can't be told, all of them, until the next time.
forget_versions() {
    versions=$(readlink -f "$home/versions")
    [ -e /proc/self/exe ] || return 0
    # One program, whatever the number of processes: their list may be longer than a command line.
    # Kernel threads have no program, and of a container's init not even root may know it.
    used=$(LC_ALL=C find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$versions/*" \
        -printf '%l\n' 2>&1) || [ $? -eq 1 ] || return 0
    ! printf '%s\n' "$used" | grep '^find: ' | grep -Eqv \
        ': (No such file or directory|No such process|Permission denied)$' || return 0
    for each in "$home/versions"/*; do
        name=${each##*/}
        [ "$name" != "$build" ] && [ "versions/$name" != "$before" ] || continue
        grep -qsF "$name" /var/lib/limpet-minion/upgrade/record.json && continue
        [ "$(readlink -f /var/lib/limpet-minion/upgrade/program 2>/dev/null)" != "$each" ] || continue
        printf '%s\n' "$used" | grep -qF "$versions/$name/" && continue
        rm -rf "$each" || warn "could not remove $each"
    done
}

case "$1" in
configure | abort-upgrade | abort-remove | abort-deconfigure)
    make_users
    make_directories
    [ -L "$home/current" ] || : >"$home/.fresh"
    before=$(readlink "$home/current") || before=
    if [ "$before" != "versions/$build" ]; then
        [ -z "$before" ] || ln -sfn "$before" "$home/.before"
    elif [ -L "$home/.before" ]; then # cut off behind the switch: nobody has watched over it yet
        before=$(readlink "$home/.before")
    fi
    make_version
    prepare
    switch
    pages="@SLAVES@"
    [ -d /usr/share/man/man1 ] && [ -d /usr/share/man/man5 ] || pages= # a small image keeps none
    # shellcheck disable=SC2086
    update-alternatives --install /usr/bin/limpet limpet "$home/current/bin/limpet" @PRIORITY@ $pages
    settle_units "$1"
    forget_versions
    rm -f "$home/.fresh" "$home/.before"
    ;;
*)
    warn "postinst: unknown argument $1"
    exit 1
    ;;
esac
exit 0
