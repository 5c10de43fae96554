# The version that is there packs itself up, so that the way back needs no network. Without it an
# upgrade is as safe as on any other host, so that this stops nothing.
if [ "$1" = upgrade ] && [ -z "${LIMPET_UPGRADE:-}" ] && [ -x "$home/current/bin/limpet" ] &&
    [ -d "$home/current/lib/python3.11/dist-packages/limpet/minion/upgrading" ]; then
    timeout 120 "$home/current/bin/limpet" minion keep-package ||
        warn "the version $2 could not be kept for the way back; the upgrade goes on"
fi
