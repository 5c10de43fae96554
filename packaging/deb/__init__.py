"""Builds limpet's packages: wheel, sdist, `limpet-minion` and `limpet-master` for Debian.

Stdlib only, so that it runs from a clone before anything is installed. `python -m deb --help`, with
`packaging/` on the path of modules; `make packages` does that.
"""
