# A store can't be read by a version that is older than its schema.
if [ "$1" = upgrade ] && [ -e @STORE@ ]; then
    installed=$(dpkg-query -W -f '${Limpet-Store-Schema}' "$package" 2>/dev/null) || installed=
    case "$installed" in
    '' | *[!0-9]*) ;;
    *)
        if [ "$installed" -gt @SCHEMA@ ]; then
            warn "@STORE@ has schema $installed; @VERSION@ reads at most @SCHEMA@."
            warn "@ADVICE@"
            exit 1
        fi
        ;;
    esac
fi
