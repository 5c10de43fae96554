"""What setting up and looking after a host needs: names, ports, handshakes, units, written files.

For commands that a person runs, never for a daemon: everything here blocks, for as long as it is
told and no longer.
"""
