    if [ -e @STORE@ ] && dpkg --compare-versions "$2" lt '@FIRST_OF_SCHEMA@'; then
        warn "@STORE@ has schema @SCHEMA@; $2 reads an older one only."
        warn "@ADVICE@"
        exit 1
    fi
