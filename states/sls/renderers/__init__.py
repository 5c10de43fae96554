"""Renderers in a row: `#!jinja|yaml` and its like, from the text of a file to its data.

One renderer is one file of this folder, found by its name (`registry`); `pipeline` puts a text
through those that its first line names.
"""

from limpet.states.sls.renderers.pipeline import Renderers
from limpet.states.sls.renderers.registry import DEFAULT

__all__ = ["DEFAULT", "Renderers"]
