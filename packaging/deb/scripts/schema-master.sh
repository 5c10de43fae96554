# The schema of the database: what its header says, or, where a part of it waits to be written, the
# schema ($1) of the version that is installed.
schema_of_store() {
    if [ -s @STORE@-wal ]; then
        echo "$1"
        return
    fi
    # shellcheck disable=SC2046
    set -- $(od -An -j60 -N4 -tu1 @STORE@ 2>/dev/null)
    [ $# -eq 4 ] || set -- 0 0 0 0
    echo $((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
}
