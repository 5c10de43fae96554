"""A small DNS server, whose table may be changed while it runs.

It answers A questions over UDP with a time to live of nothing; names that it doesn't know do not
exist, and a name has no other records. Run as a program it serves; `Names` changes its table.
"""

import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Literal

Mode = Literal["answer", "silent", "fail"]


class Names:
    """The table of a lab's DNS server, kept as JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def table(self) -> dict[str, str]:
        """Give all names and their addresses."""
        return self._read()[1]

    def set(self, name: str, address: str) -> None:
        """Let a name mean an address, from the next question on."""
        mode, table = self._read()
        self._write(mode, {**table, name.lower(): address})

    def remove(self, name: str) -> None:
        """Let a name not exist."""
        mode, table = self._read()
        table.pop(name.lower(), None)
        self._write(mode, table)

    def mode(self, mode: Mode) -> None:
        """Answer, answer nothing at all, or answer that the server has failed."""
        self._write(mode, self._read()[1])

    def answer(self, question: bytes) -> bytes | None:
        """Give the answer to one packet; None: say nothing."""
        mode, table = self._read()
        if mode == "silent" or len(question) < 17:
            return None
        ident, flags = struct.unpack(">HH", question[:4])
        labels, at = [], 12
        while at < len(question) and (length := question[at]):
            if length > 63:
                return None
            labels.append(question[at + 1 : at + 1 + length].decode("latin-1").lower())
            at += 1 + length
        asked = question[12 : at + 5]
        kind = question[at + 1 : at + 3]
        address = table.get(".".join(labels))
        code = 2 if mode == "fail" else 0 if address else 3
        records = b""
        if code == 0 and address and kind == b"\0\1":
            records = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 0, 4) + socket.inet_aton(address)
        head = struct.pack(
            ">HHHHHH", ident, 0x8480 | flags & 0x0100 | code, 1, int(bool(records)), 0, 0
        )
        return head + asked + records

    def _read(self) -> tuple[Mode, dict[str, str]]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return "answer", {}
        return kept["mode"], kept["names"]

    def _write(self, mode: Mode, table: dict[str, str]) -> None:
        fresh = self._path.with_suffix(".fresh")
        fresh.write_text(json.dumps({"mode": mode, "names": table}, indent=1), encoding="utf-8")
        os.replace(fresh, self._path)


def serve(address: str, path: Path) -> None:
    """Answer for ever."""
    names = Names(path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind((address, 53))
        while True:
            question, asker = port.recvfrom(4096)
            if reply := names.answer(question):
                try:
                    port.sendto(reply, asker)
                except OSError as error:  # the asker's cable was pulled
                    print(f"no answer to {asker[0]}: {error}", file=sys.stderr)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
