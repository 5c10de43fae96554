"""The one configuration file that `setup` writes: `50-setup.yaml` beside what people write.

Only what was asked for is changed; what else stands there stays. A person's own settings go into
the main file, or into a file of a later name, which wins.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from limpet.common.errors import SourceError
from limpet.common.settings.loader import Configuration, load
from limpet.common.settings.source import BYTES_MAX, read_source
from limpet.common.storage.files import host_error, make_directory, read_whole, remove, write_whole

SETUP_NAME: Final = "50-setup.yaml"


def setup_path(config_file: Path) -> Path:
    """Give the place of the file beside a role's configuration."""
    return config_file.with_suffix(".d") / SETUP_NAME


class SetupFile:
    """The file of one role. `write` and `restore` are the only things that change it."""

    def __init__(
        self, config_file: Path, *, role: str, mode: int, owner: tuple[int, int] | None
    ) -> None:
        """Read what is there. `owner`: user and group to give it to; None: whoever runs this.

        Raises `SourceError` for a file that is no YAML mapping, `HostError` for one that can't be
        read.
        """
        self.path = setup_path(config_file)
        self._config_file = config_file
        self._role = role
        self._mode = mode
        self._owner = owner
        try:
            self._before: bytes | None = read_whole(self.path, bytes_max=BYTES_MAX)
        except FileNotFoundError:
            self._before = None
        source = read_source(self._before or b"", str(self.path))
        if source.data is not None and not isinstance(source.data, dict):
            raise SourceError("keys with values are expected; remove the file", str(self.path))
        self.values: dict[str, Any] = dict(source.data or {})
        """What stands in it."""

    @property
    def is_there(self) -> bool:
        """Say whether there was one."""
        return self._before is not None

    def write(self, kind: type[Configuration], changes: Mapping[str, Any]) -> bool:
        """Put the changes in (None: take the key out); False if nothing was to be changed.

        Raises `SourceError`, with the old file back in its place, if the configuration as a whole
        is not right then; `HostError` where the disk refuses.
        """
        values = {**self.values, **changes}
        values = {key: value for key, value in values.items() if value is not None}
        if values == self.values and self.is_there:
            self._put_right()
            return False
        import yaml

        body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True) if values else ""
        head = (
            f"# Written by `limpet {self._role} setup`, which changes only the keys that it is\n"
            f"# asked to. Files of later names in this directory win over it.\n"
        )
        directory = self.path.parent
        is_new = not directory.is_dir()
        make_directory(directory, 0o750 if self._mode & 0o040 else 0o700)
        if is_new:
            self._give(directory)
        data = f"{head}{body}".encode()
        self._place(data)
        try:
            load(kind, self._config_file)
        except SourceError:
            self.restore()
            raise
        self._before = data
        self.values = values
        return True

    def restore(self) -> None:
        """Put back what was there before the last `write`."""
        if self._before is None:
            remove(self.path)
        else:
            self._place(self._before)

    def _place(self, data: bytes) -> None:
        write_whole(self.path, data, mode=self._mode)
        self._give(self.path)

    def _put_right(self) -> None:
        """Set mode and owner of a file that is as it should be otherwise."""
        try:
            os.chmod(self.path, self._mode)
        except OSError as error:
            raise host_error("set the mode of", self.path, error) from error
        self._give(self.path)

    def _give(self, path: Path) -> None:
        if self._owner is None:
            return
        try:
            os.chown(path, *self._owner)
        except OSError as error:
            raise host_error("set the owner of", path, error) from error
