"""The `locale` states: a locale is there, and is the one that programs get by default."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.locale import normal
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def present(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """See to it that there is a locale."""
    try:
        if context.call("locale.avail", name):
            return Outcome(True, f"Locale {name} is already present")
        if context.is_test:
            return Outcome(None, f"Locale {name} needs to be generated")
        is_made = context.call("locale.gen_locale", name)
    except HostError as error:
        return failed(f"Failed to generate locale {name}: {error}")
    if not is_made:
        return failed(f"Failed to generate locale {name}")
    return Outcome(True, f"Generated locale {name}", {"locale": name})


def system(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """See to it that programs get a locale by default."""
    try:
        if normal(context.call("locale.get_locale")) == normal(name):
            return Outcome(True, f"System locale {name} already set")
        if context.is_test:
            return Outcome(None, f"System locale {name} needs to be set")
        context.call("locale.set_locale", name)
    except HostError as error:
        return failed(f"Failed to set system locale to {name}: {error}")
    return Outcome(True, f"Set system locale {name}", {"locale": name})
