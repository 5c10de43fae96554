prepare() {
    : # nobody watches: a master that does not start is seen by whoever upgrades it
}
