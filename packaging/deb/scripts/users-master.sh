
make_users() {
    getent group limpet >/dev/null || groupadd --system limpet
    getent group limpet-enrol >/dev/null || groupadd --system limpet-enrol
    getent passwd limpet >/dev/null ||
        useradd --system --gid limpet --home-dir /var/lib/limpet --no-create-home \
            --shell /usr/sbin/nologin --comment "limpet master" limpet
    getent passwd limpet-enrol >/dev/null ||
        useradd --system --gid limpet-enrol --home-dir /nonexistent --no-create-home \
            --shell /usr/sbin/nologin --comment "limpet enrolment" limpet-enrol
    id -nG limpet | grep -qw limpet-enrol || usermod --append --groups limpet-enrol limpet
}

make_directories() {
    directory /etc/limpet 0750 root:limpet
    directory /etc/limpet/master.d 0750 root:limpet
    [ ! -e /etc/limpet/master.yaml ] || owned /etc/limpet/master.yaml 0640 root:limpet
    directory /var/lib/limpet 0700 limpet:limpet
    directory /var/cache/limpet 0700 limpet:limpet
    directory /srv/limpet 0750 root:limpet
    directory /srv/limpet/states 0750 root:limpet
    directory /srv/limpet/pillar 0750 root:limpet
}

