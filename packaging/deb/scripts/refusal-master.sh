    schema=@SCHEMA@
    if [ -e @STORE@ ] && dpkg --compare-versions "$2" lt '@FIRST_OF_SCHEMA@' &&
        [ "$(schema_of_store $schema)" -ge $schema ]; then
        warn "@STORE@ has schema $schema; $2 reads an older one only."
        warn "@ADVICE@"
        exit 1
    fi
