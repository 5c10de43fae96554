"""The master's file roots: asked for once in a run, brought into the cache where they differ.

    listing has no such path ──▶ not there (nothing is asked)
    listing has its digest   ──▶ in the cache? used : asked for and brought
    no listing, no digest    ──▶ asked for: unchanged? out of the cache : brought

One object serves one job; what it has learned holds until `forget`.
"""

from typing import Final

from limpet.common.errors import HostError, SourceError
from limpet.states.fileroots.directories import SOURCE_BYTES_MAX
from limpet.states.fileroots.names import is_inside
from limpet.states.fileroots.port import FILE_BYTES_MAX, SourceFacts, SourceFile
from limpet.states.fileroots.served.cache import FileCache
from limpet.states.fileroots.served.known import LISTING, KnownDigests
from limpet.states.fileroots.served.listing import (
    LISTING_BYTES_MAX,
    Listing,
    is_digest,
    is_environment,
    read_environments,
    read_listing,
)
from limpet.states.ports.served import MasterSources, Question, Served, SourceChanged

CHANGES_MAX: Final = 4
"""So often a body may be another one than a moment ago; then somebody keeps changing it."""


class ServedRoots:
    """Implements `limpet.states.fileroots.port.TreeRoots` on what a master serves.

    `HostError` where the master does not answer, sends what cannot be, or the cache can't hold it.
    """

    def __init__(
        self, sources: MasterSources, cache: FileCache, *, bytes_max: int = SOURCE_BYTES_MAX
    ) -> None:
        """`bytes_max` holds for what is read as SLS or template."""
        self.cache = cache
        self._sources = sources
        self._bytes_max = bytes_max
        self._known = KnownDigests(f"{cache.directory}/known")
        self._environments: list[str] | None = None
        self._listings: dict[str, Listing] = {}
        self._seen: dict[tuple[str, str], SourceFacts | None] = {}

    def environments(self) -> list[str]:
        """Give the environments in their configured order, `base` first."""
        if self._environments is None:
            question = Question("environments", environment="base")
            body = self._body(question, "", LISTING_BYTES_MAX)
            self._environments = ["base"] if body is None else read_environments(body[1])
        return self._environments

    def files(self, environment: str) -> list[str]:
        """List all files of the environment, sorted, each path once."""
        return list(self.listing(environment).files)

    def folders(self, environment: str, below: str = "") -> list[str]:
        """List the folders below a folder, the empty ones too, relative to it and sorted."""
        inside = f"{below.strip('/')}/" if below.strip("/") else ""
        listed = self.listing(environment)
        return [path[len(inside) :] for path in listed.folders if path.startswith(inside)]

    def links(self, environment: str, below: str = "") -> dict[str, str]:
        """Give the symbolic links below a folder, relative to it, with what they point at."""
        inside = f"{below.strip('/')}/" if below.strip("/") else ""
        found = self.listing(environment).links
        return {
            path[len(inside) :]: target for path, target in found.items() if path.startswith(inside)
        }

    def exists(self, path: str, environment: str) -> bool:
        """Say whether `read` would find a file."""
        if (environment, path) in self._seen:
            return self._seen[environment, path] is not None
        return path in self.listing(environment).files

    def look(self, path: str, environment: str) -> SourceFacts | None:
        """Say what is known of a file, its digest too; a small one may come along."""
        if not is_inside(path) or not is_environment(environment):
            return None
        key = (environment, path)
        if key not in self._seen:
            if (listing := self._listings.get(environment)) is not None:
                found = listing.files.get(path)
                if found is None or found.digest:
                    self._seen[key] = found
                    return found
            self._ask(path, environment)
        return self._seen[key]

    def local_copy(self, path: str, environment: str) -> str | None:
        """Bring a file into the cache and give its place there; None: there is none."""
        facts = self.look(path, environment)
        for _ in range(CHANGES_MAX):
            if facts is None:
                return None
            if not self.cache.has(facts.digest, facts.size) or not self.cache.is_sound(
                facts.digest
            ):
                facts = self._brought(path, environment, facts)
                continue
            return self.cache.publish("files", f"{environment}/{path}", facts.digest)
        raise self._restless(path, environment)

    def content(self, path: str, environment: str, *, bytes_max: int) -> bytes | None:
        """Read a file whole; None where the master has none. Raises `SourceError` if too large."""
        found = self._read(path, environment, bytes_max)
        return None if found is None else found[1]

    def read(self, path: str, environment: str) -> SourceFile | None:
        """Read the file; None where the master has none. Raises `SourceError` if too large."""
        found = self._read(path, environment, self._bytes_max)
        if found is None:
            return None
        digest, content = found
        place = self.cache.publish("files", f"{environment}/{path}", digest)
        return SourceFile(path, place, content)

    def listing(self, environment: str) -> Listing:
        """Give everything in an environment; asked for once. An unknown one is empty."""
        if environment not in self._listings:
            found = Listing()
            if is_environment(environment):
                question = Question("listing", environment=environment)
                known = self._known.get(environment, LISTING)
                body = self._body(question, known, LISTING_BYTES_MAX)
                if body is not None:
                    found = read_listing(body[1], environment)
                    self._known.note(environment, LISTING, body[0])
            self._listings[environment] = found
        return self._listings[environment]

    def forget(self) -> None:
        """Ask anew for everything that is next wanted."""
        self._environments = None
        self._listings.clear()
        self._seen.clear()

    # Asking

    def _read(self, path: str, environment: str, bytes_max: int) -> tuple[str, bytes] | None:
        facts = self.look(path, environment)
        for _ in range(CHANGES_MAX):
            if facts is None:
                return None
            if facts.size > bytes_max:
                raise SourceError(f"larger than the {bytes_max} bytes allowed", f"salt://{path}")
            if (content := self.cache.read(facts.digest, bytes_max=bytes_max)) is not None:
                return facts.digest, content
            facts = self._brought(path, environment, facts)
        raise self._restless(path, environment)

    def _ask(self, path: str, environment: str, *, is_known: bool = True) -> SourceFacts | None:
        """Ask for a file and remember what there is.

        `is_known`: what it was before may be as good as its body, which is then not sent.
        """
        known = self._known.get(environment, path) if is_known else ""
        served = self._asked(Question("file", environment, path), known, FILE_BYTES_MAX)
        found = None
        if served is not None:
            mode = served.attributes.get("mode")
            found = SourceFacts(
                served.size, mode & 0o7777 if type(mode) is int else None, served.digest
            )
        self._seen[environment, path] = found
        return found

    def _brought(self, path: str, environment: str, facts: SourceFacts) -> SourceFacts | None:
        """Bring a file that isn't in the cache; give what it is now."""
        found = self._ask(path, environment, is_known=False)
        if found is None or self.cache.has(found.digest, found.size):
            return found
        question = Question("file", environment, path)
        try:
            self._pull(question, Served(True, found.digest, found.size))
        except SourceChanged:
            return self._ask(path, environment, is_known=False)
        return found

    def _body(self, question: Question, known: str, bytes_max: int) -> tuple[str, bytes] | None:
        """Give digest and body of what is asked for; None: there is none."""
        for _ in range(CHANGES_MAX):
            served = self._asked(question, known, bytes_max)
            known = ""
            if served is None:
                return None
            try:
                if not self.cache.has(served.digest, served.size):
                    self._pull(question, served)
            except SourceChanged:
                continue
            if (body := self.cache.read(served.digest, bytes_max=bytes_max)) is not None:
                return served.digest, body
        raise self._restless(_told(question), question.environment)

    def _asked(self, question: Question, known: str, bytes_max: int) -> Served | None:
        """Ask; a body that comes along is kept. None: the master has nothing of that name."""
        served = self._sources.ask(question, known=known)
        if not served.is_found:
            return None
        if not is_digest(served.digest) or served.size < 0:
            raise HostError(
                f"the master's answer about {_told(question)} can't be: {served!r:.200}"
            )
        if served.size > bytes_max:
            raise HostError(
                f"{_told(question)} has {served.size} bytes; {bytes_max} are allowed at most"
            )
        if served.body is not None and not self.cache.has(served.digest, served.size):
            self.cache.put(served.digest, served.body, _told(question))
        if question.kind == "file":
            self._known.note(question.environment, question.name, served.digest)
        return served

    def _pull(self, question: Question, served: Served) -> None:
        """Bring a body into the cache, going on where an earlier attempt has stopped.

        Raises `SourceChanged` where the master has another body now.
        """
        what = _told(question)
        while True:
            partial = self.cache.partial(served.digest, served.size)
            if partial is None:
                return
            with partial:
                while partial.offset < served.size:
                    piece = self._sources.pull(question, served, partial.offset)
                    if not piece:
                        raise HostError(f"the master sent an empty piece of {what}")
                    partial.add(piece)
                if self.cache.keep(partial):
                    return
            if not partial.began_at:
                raise HostError(
                    f"{what}: what the master sent is not what it said it would be (its SHA-256 "
                    f"is not {served.digest}); it is not used"
                )

    def _restless(self, what: str, environment: str) -> HostError:
        return HostError(
            f"{what} of the environment '{environment}' was another file each of the {CHANGES_MAX} "
            "times that it was fetched; try again when nobody changes it"
        )


def _told(question: Question) -> str:
    if question.kind == "file":
        return f"salt://{question.name} (saltenv '{question.environment}')"
    if question.kind == "listing":
        return f"the list of files in the environment '{question.environment}'"
    return "the list of environments"
