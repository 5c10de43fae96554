"""The page of Salt's functions says what the code has."""

from limpet.states.functions import registry as functions
from limpet.states.library import registry as states
from support.pages.salt_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make salt-page"


def test_the_page_names_every_function() -> None:
    text = page()
    for name in (*functions.names(), *states.names()):
        assert f"`{name.partition('.')[2]}`" in text, name
