"""The lines of a text file, as the programs see them that read it."""


def lines_of(text: str) -> list[str]:
    """Give the lines of a file without their ends.

    Only a line feed ends a line, also with a carriage return before it. `str.splitlines` knows ten
    more ends, of which cron, mount and sshd know none: what stands behind one of those would become
    a line of its own when the file is written again, and its commands commands.
    """
    whole = text.replace("\r\n", "\n")
    return whole.removesuffix("\n").split("\n") if whole else []
