role=@ROLE@
package=@PACKAGE@
build=@BUILD@
units="@UNITS@"
home=/opt/limpet/$role

warn() {
    echo "$package: $*" >&2
}

systemd_runs() {
    [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

# The host's word on whether services may be started or stopped (images, chroots).
may() {
    [ -x /usr/sbin/policy-rc.d ] || return 0
    answer=0
    for unit in $units; do
        /usr/sbin/policy-rc.d "${unit%.service}" "$1" >/dev/null 2>&1 || answer=$?
    done
    [ "$answer" -ne 101 ]
}
