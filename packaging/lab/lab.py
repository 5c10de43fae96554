"""A lab of hosts, for people: `python packaging/lab/lab.py --help`."""

from limpet_lab.command import main

if __name__ == "__main__":
    main()
