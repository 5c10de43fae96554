"""Papers of a package: copyright, changelog, the list of parts (SBOM)."""

import datetime
import email.utils
import gzip
import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Final

from deb.environment import Component, Environment
from deb.facts import MAINTAINER
from deb.roles import Role

COPYRIGHT_HEAD: Final = """\
limpet is free software under the Apache License, version 2.0, which on Debian
systems is in /usr/share/common-licenses/Apache-2.0. Copyright: its authors.

The package carries parts of others, unchanged but for where they look for
their libraries. Their copyright and licences follow, each as its authors or
Debian's maintainers say it.
"""

APACHE: Final = re.compile(
    r"^ *Apache License\n *Version 2\.0, January 2004\n.*?(limitations under the License\.|\Z)",
    re.MULTILINE | re.DOTALL,
)
APACHE_PLACE: Final = "Apache License, Version 2.0: /usr/share/common-licenses/Apache-2.0"
"""Debian keeps its text once for all packages."""


def copyright_text(environment: Environment) -> str:
    """Give the licences of everything that is in a package."""
    sections = [COPYRIGHT_HEAD]
    for path in sorted(environment.licences.iterdir()):
        title = f"{'=' * 72}\n{path.name}\n{'=' * 72}\n"
        text = APACHE.sub(APACHE_PLACE, path.read_text(encoding="utf-8"))
        sections.append(f"{title}\n{text.strip()}\n")
    return "\n".join(sections)


def changelog(role: Role, version: str, epoch_s: int) -> bytes:
    """Give the package's changelog, compressed."""
    when = email.utils.formatdate(epoch_s)
    text = (
        f"{role.package} ({version}) stable; urgency=medium\n\n"
        "  * What is new for users: CHANGELOG.md of the release.\n\n"
        f" -- {MAINTAINER}  {when}\n"
    )
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def parts_list(role: Role, version: str, environment: Environment, epoch_s: int) -> str:
    """Give the list of parts in CycloneDX 1.5."""
    parts = [_part(each) for each in environment.components]
    seed = hashlib.sha256(json.dumps([role.package, version, parts]).encode()).digest()
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "serialNumber": f"urn:uuid:{uuid.UUID(bytes=seed[:16], version=4)}",
            "version": 1,
            "metadata": {
                "timestamp": datetime.datetime.fromtimestamp(epoch_s, datetime.UTC).isoformat(),
                "component": {
                    "type": "application",
                    "name": role.package,
                    "version": version,
                    "licenses": [{"license": {"id": "Apache-2.0"}}],
                },
            },
            "components": parts,
        },
        indent=1,
    )


def _part(component: Component) -> dict[str, object]:
    place = "deb/debian" if component.kind == "deb" else component.kind
    told: dict[str, object] = {
        "type": "library",
        "name": component.name,
        "version": component.version,
        "purl": f"pkg:{place}/{component.name}@{component.version.replace('+', '%2B')}",
        "hashes": [{"alg": "SHA-256", "content": component.sha256}],
    }
    if component.licence:
        told["licenses"] = [{"license": {"name": component.licence}}]
    return told


def write_all(
    place: Path, role: Role, version: str, environment: Environment, epoch_s: int
) -> None:
    """Write the papers into `place`, the package's directory of documentation."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "copyright").write_text(copyright_text(environment), encoding="utf-8")
    (place / "changelog.gz").write_bytes(changelog(role, version, epoch_s))
    told = parts_list(role, version, environment, epoch_s)
    (place / "sbom.cdx.json").write_text(told + "\n", encoding="utf-8")
