"""Speaking to systemd itself, over its private socket: no bus daemon and no program is needed."""
