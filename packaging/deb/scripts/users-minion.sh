
make_users() {
    getent group limpet >/dev/null || groupadd --system limpet
}

make_directories() {
    directory /etc/limpet 0750 root:limpet
    directory /etc/limpet/minion.d 0700 root:root
    directory /var/lib/limpet-minion 0700 root:root
    directory /var/cache/limpet-minion 0700 root:root
}

