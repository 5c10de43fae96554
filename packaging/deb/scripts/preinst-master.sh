@SCHEMA_OF_STORE@

# A store can't be read by a version that is older than its schema.
if [ "$1" = upgrade ] && [ -e @STORE@ ]; then
    installed=$(dpkg-query -W -f '${Limpet-Store-Schema}' "$package" 2>/dev/null) || installed=
    schema=$(schema_of_store "${installed:-0}")
    if [ "$schema" -gt @SCHEMA@ ]; then
        warn "@STORE@ has schema $schema; @VERSION@ reads at most @SCHEMA@."
        warn "@ADVICE@"
        exit 1
    fi
fi
