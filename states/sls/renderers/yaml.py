"""`#!yaml`: YAML as Salt reads it, with the line of each key."""

from typing import Any

from limpet.states.sls.renderers.call import Call
from limpet.states.sls.yaml_source import Document, load


def render(found: Any, call: Call) -> Document:  # noqa: ANN401
    """Give the document; one with nothing in it has the data {}."""
    text, documents = str(found), call.means.documents

    def read() -> Document:
        return load(text, call.real_path, secret=call.means.secret)

    document = read() if documents is None else documents.read(text, call.real_path, read)
    return document if document.data else Document({}, document.lines)
