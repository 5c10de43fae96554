"""`log.*`: messages of templates and states, for this process's log."""

import logging

from limpet.states.context import FunctionContext, Loose

_LOG = logging.getLogger("limpet.states")


def debug(context: FunctionContext, message: Loose) -> bool:
    """Log a message for those who look for mistakes.

    CLI Example: limpet run '*' log.debug 'JID #21'
    """
    _LOG.debug("%s", context.mask(message))
    return True


def info(context: FunctionContext, message: Loose) -> bool:
    """Log what happens.

    CLI Example: limpet run '*' log.info 'Foo'
    """
    _LOG.info("%s", context.mask(message))
    return True


def warning(context: FunctionContext, message: Loose) -> bool:
    """Log what somebody should look at.

    CLI Example: limpet run '*' log.warning 'Foo'
    """
    _LOG.warning("%s", context.mask(message))
    return True


def error(context: FunctionContext, message: Loose) -> bool:
    """Log what went wrong.

    CLI Example: limpet run '*' log.error 'Foo'
    """
    _LOG.error("%s", context.mask(message))
    return True


def critical(context: FunctionContext, message: Loose) -> bool:
    """Log what must not wait.

    CLI Example: limpet run '*' log.critical 'Foo'
    """
    _LOG.critical("%s", context.mask(message))
    return True


def exception(context: FunctionContext, message: Loose) -> bool:
    """Log an error.

    CLI Example: limpet run '*' log.exception 'Foo'
    """
    _LOG.error("%s", context.mask(message))
    return True
