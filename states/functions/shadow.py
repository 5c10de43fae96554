"""`shadow.*`: passwords and how long they are good. Hashes only ever travel by standard input."""

from typing import Any

from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.random.crypt import hashed
from limpet.states.ports import accounts


def info(context: FunctionContext, name: str, root: str | None = None) -> dict[str, Any]:
    """Give a user's line of the shadow file, the hash too; empty values for an unknown user.

    CLI Example: limpet run '*' shadow.info root
    """
    found = accounts.shadow(context.host, name, root)
    if found is None:
        keys = ("name", "passwd", "lstchg", "min", "max", "warn", "inact", "expire")
        return dict.fromkeys(keys, "")
    return found.information()


def list_users(context: FunctionContext, root: str | None = None) -> list[str]:
    """Name the users that have a line in the shadow file.

    CLI Example: limpet run '*' shadow.list_users
    """
    text = context.host.files.read_text(f"{root or ''}/etc/shadow") or ""
    return sorted(line.partition(":")[0] for line in text.splitlines() if ":" in line)


def default_hash(context: FunctionContext) -> str:
    """Give the hash that no password has: nobody can log in with one.

    CLI Example: limpet run '*' shadow.default_hash
    """
    return "!"


def gen_password(
    context: FunctionContext,
    password: str,
    crypt_salt: str | None = None,
    algorithm: str = "sha512",
) -> str:
    """Give the hash of a password.

    CLI Example: limpet run '*' shadow.gen_password 'I am secret' algorithm=sha512
    """
    return hashed(password, crypt_salt, algorithm)


def set_password(
    context: FunctionContext,
    name: str,
    password: str,
    use_usermod: bool = False,
    root: str | None = None,
) -> bool:
    """Set the hash of a user's password.

    CLI Example: limpet run '*' shadow.set_password root '$6$salt$hash'
    """
    if accounts.user(context.host, name, root) is None:
        context.retcode = int(context.is_published)
        return False
    accounts.set_password(context.host, name, password, root)
    found = accounts.shadow(context.host, name, root)
    return found is not None and found.password == password


def del_password(context: FunctionContext, name: str, root: str | None = None) -> bool:
    """Have a user log in without any password.

    CLI Example: limpet run '*' shadow.del_password guest
    """
    accounts.set_password(context.host, accounts.user_name(name), "", root)
    found = accounts.shadow(context.host, name, root)
    return found is None or found.password == ""


def lock_password(context: FunctionContext, name: str, root: str | None = None) -> bool:
    """Keep a user from logging in by password, and the hash for later.

    CLI Example: limpet run '*' shadow.lock_password guest
    """
    accounts.tool(context.host, ["usermod", "-L", accounts.user_name(name)], root)
    found = accounts.shadow(context.host, name, root)
    return found is not None and found.password.startswith("!")


def unlock_password(context: FunctionContext, name: str, root: str | None = None) -> bool:
    """Let a user log in by password again.

    CLI Example: limpet run '*' shadow.unlock_password guest
    """
    accounts.tool(context.host, ["usermod", "-U", accounts.user_name(name)], root)
    found = accounts.shadow(context.host, name, root)
    return found is not None and not found.password.startswith("!")


def set_date(context: FunctionContext, name: str, date: Loose, root: str | None = None) -> bool:
    """Set when the password was changed last: a day's number since 1970, or YYYY-MM-DD.

    CLI Example: limpet run '*' shadow.set_date ann 0
    """
    return _aged(context, name, "-d", accounts.day_number(date), "last_change", root)


def set_mindays(context: FunctionContext, name: str, mindays: int, root: str | None = None) -> bool:
    """Set how many days a password must be kept.

    CLI Example: limpet run '*' shadow.set_mindays ann 7
    """
    return _aged(context, name, "-m", mindays, "least", root)


def set_maxdays(context: FunctionContext, name: str, maxdays: int, root: str | None = None) -> bool:
    """Set how many days a password may be kept.

    CLI Example: limpet run '*' shadow.set_maxdays ann 90
    """
    return _aged(context, name, "-M", maxdays, "most", root)


def set_warndays(
    context: FunctionContext, name: str, warndays: int, root: str | None = None
) -> bool:
    """Set how many days before its end a password's user is warned.

    CLI Example: limpet run '*' shadow.set_warndays ann 7
    """
    return _aged(context, name, "-W", warndays, "warning", root)


def set_inactdays(
    context: FunctionContext, name: str, inactdays: int, root: str | None = None
) -> bool:
    """Set how many days after its password's end an account is closed.

    CLI Example: limpet run '*' shadow.set_inactdays ann 7
    """
    return _aged(context, name, "-I", inactdays, "inactive", root)


def set_expire(context: FunctionContext, name: str, expire: Loose, root: str | None = None) -> bool:
    """Set the day on which an account is closed: its number since 1970, or YYYY-MM-DD; -1: never.

    CLI Example: limpet run '*' shadow.set_expire ann 2030-01-01
    """
    return _aged(context, name, "-E", accounts.day_number(expire), "expires", root)


def _aged(
    context: FunctionContext, name: str, option: str, days: int, field: str, root: str | None
) -> bool:
    before = accounts.shadow(context.host, name, root)
    if before is not None and getattr(before, field) == days:
        return True
    accounts.tool(context.host, ["chage", option, str(days), accounts.user_name(name)], root)
    after = accounts.shadow(context.host, name, root)
    return after is not None and getattr(after, field) == days
