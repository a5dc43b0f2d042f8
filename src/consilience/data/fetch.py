"""URLs in media cells, fetched before anything is loaded: from hosts the user named, and from no other.

What was fetched lies in a folder of the caller's; the cell becomes the place there, and a cell that could not be
fetched keeps its URL and the reason. Refuses: every host that is not named, redirects to one, names that resolve to
private addresses (the connection goes to the address that was checked), schemes other than http and https.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import socket
import ssl
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from consilience.core.arguments import texts_of
from consilience.core.errors import BadCell, UserError
from consilience.core.files import Stored
from consilience.core.progress import Reporter
from consilience.data.table import LazyColumn, Table, blocks

SECONDS = 30.0
"""Longest wait for a connection, and for each piece of an answer."""
LONGEST = 300.0
"""Seconds for one URL in all."""
REDIRECTS = 5
AT_ONCE = 8
_PIECE = 1 << 16
_REDIRECT = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
# All but letters that a URL may hold as they are; "%" because what is quoted already stays so.
_SAFE = "%/:?#[]@!$&'()*+,;=-._~"


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """Hosts that may be asked, each with its port, or None for the ports of http and https."""

    hosts: frozenset[tuple[str, int | None]]

    @classmethod
    def parse(cls, names: Iterable[str]) -> Allowed:
        """From `HOST` or `HOST:PORT`. Raises UserError for what is neither, such as a URL."""
        hosts = set()
        for name in texts_of("allowed hosts", names, 'a list of names of hosts, for example ["images.example.org"]'):
            try:
                parts = urlsplit(f"//{name}")
                host, port = parts.hostname, parts.port
            except ValueError:
                host = None
            if host is None or parts.path or parts.query or parts.username is not None or "*" in name or " " in name:
                raise UserError(
                    f"--allow-url {name!r}: give the name of a host, with its port if it has an unusual one, for "
                    "example images.example.org or localhost:8000"
                )
            hosts.add((host.rstrip("."), port))
        return cls(hosts=frozenset(hosts))

    def check(self, url: SplitResult) -> tuple[str, int]:
        """Host and port of a URL. Raises BadCell when it may not be asked."""
        try:
            host, port = (url.hostname or "").rstrip("."), url.port or _PORTS.get(url.scheme.lower(), 0)
        except ValueError as error:
            raise BadCell(f"the URL is damaged: {error}") from error
        if url.scheme.lower() not in _PORTS:
            raise BadCell(f"URLs of {url.scheme!r} are not fetched, only http and https")
        if url.username is not None or url.password is not None:
            raise BadCell("the URL holds a user name or password, which is not sent")
        usual = port == _PORTS[url.scheme.lower()]
        if (host, port) not in self.hosts and not (usual and (host, None) in self.hosts):
            shown = host if usual else f"{host}:{port}"
            raise BadCell(f"URLs of {shown} are not fetched; allow the host with --allow-url {shown}")
        return host, port


@contextmanager
def fetching(
    table: Table, columns: Collection[str], hosts: Iterable[str], *, max_bytes: int, reporter: Reporter | None = None
) -> Iterator[Table]:
    """The table with its URLs fetched to a temporary folder, which is gone afterwards; as it is without any host."""
    allowed = Allowed.parse(hosts)
    if not allowed.hosts:
        yield table
        return
    with tempfile.TemporaryDirectory(prefix="consilience-") as folder:
        yield fetched(table, columns, allowed, Path(folder), max_bytes=max_bytes, reporter=reporter)


def is_url(cell: Any) -> bool:
    return (
        isinstance(cell, str) and not isinstance(cell, Stored) and cell[:8].lower().startswith(("http://", "https://"))
    )


def fetched(
    table: Table,
    columns: Collection[str],
    allowed: Allowed,
    folder: Path,
    *,
    max_bytes: int,
    reporter: Reporter | None = None,
) -> Table:
    """The table with the URLs in `columns` as places of files in `folder`. Each distinct URL is fetched once."""
    wanted = [name for name in columns if name in table.columns]
    urls = list(
        dict.fromkeys(cell for name in wanted for block in blocks(table[name]) for cell in block if is_url(cell))
    )
    if not urls:
        return table
    folder.mkdir(parents=True, exist_ok=True)
    places: dict[str, Stored] = {}
    bar = (reporter or Reporter()).bar("fetching URLs", len(urls))
    with bar as advance, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
        try:
            for done, stored in enumerate(pool.map(lambda url: _stored(url, allowed, folder, max_bytes), urls), 1):
                places[str(stored)] = stored
                advance(done, "")
        except BaseException:  # an interrupt: do not wait for what was not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    def swapped(cells: Sequence[Any]) -> LazyColumn:
        def make(begin: int, end: int) -> list[Any]:
            return [places[cell] if is_url(cell) else cell for cell in cells[begin:end]]

        return LazyColumn(len(cells), make)

    return replace(table, columns={n: swapped(c) if n in wanted else c for n, c in table.columns.items()})


def _stored(url: str, allowed: Allowed, folder: Path, max_bytes: int) -> Stored:
    path = folder / hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    try:
        size = fetch(url, allowed, path, max_bytes=max_bytes)
    except BadCell as error:
        return Stored(url, problem=error.reason)
    return Stored(url, str(path.absolute()), 0, size)


def fetch(url: str, allowed: Allowed, path: Path, *, max_bytes: int) -> int:
    """Write what a URL holds to `path` and return its size. Raises BadCell."""
    until = time.monotonic() + LONGEST
    for _ in range(REDIRECTS + 1):
        try:
            parts = urlsplit(quote(url.strip(), safe=_SAFE))
            host, port = allowed.check(parts)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection = _connection(parts.scheme.lower(), host, port)
            try:
                connection.request("GET", target, headers={"Accept": "*/*", "User-Agent": "consilience"})
                answer = connection.getresponse()
                if answer.status in _REDIRECT and (location := answer.getheader("Location")):
                    url = urljoin(url, location)
                    continue
                if answer.status != 200:
                    raise BadCell(f"the URL could not be fetched: {answer.status} {answer.reason}"[:200])
                return _save(answer, path, max_bytes, until)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:  # timeouts and TLS are OSErrors
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise BadCell(f"the URL could not be fetched: {said}") from error
    raise BadCell(f"the URL could not be fetched: more than {REDIRECTS} redirects")


def _save(answer: http.client.HTTPResponse, path: Path, max_bytes: int, until: float) -> int:
    announced = answer.length
    size = 0
    with path.open("wb") as file:
        while piece := answer.read(_PIECE):
            size += len(piece)
            if max(size, announced or 0) > max_bytes:
                raise BadCell(f"more than {max_bytes:,} bytes; that is the limit (limits.bytes)")
            if time.monotonic() > until:
                raise BadCell(f"the URL could not be fetched within {LONGEST:.0f} s")
            file.write(piece)
    if announced is not None and size < announced:
        raise BadCell(f"the URL could not be fetched: {size:,} of {announced:,} bytes came")
    return size


def _connection(scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    """Connected to an address that was checked, so that the name cannot resolve to another one a moment later."""
    link = _link(host, port)
    connection: http.client.HTTPConnection
    try:
        if scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
            connection.sock = context.wrap_socket(link, server_hostname=host)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
            connection.sock = link
    except BaseException:
        link.close()
        raise
    return connection


def _link(host: str, port: int) -> socket.socket:
    """A connection to the first address of a host that answers. A name must not lead to a private one: only who writes
    the address itself, or `localhost`, means it."""
    found = list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    inside = [address for address in found if not ipaddress.ip_address(address.split("%")[0]).is_global]
    if inside and host != "localhost" and not _literal(host):
        raise BadCell(f"the host {host} leads to a private address ({inside[0]}), which is not asked")
    problem: OSError = OSError(f"the host {host} has no address")
    for address in found:
        try:
            return socket.create_connection((address, port), SECONDS)
        except OSError as error:
            problem = error
    raise problem


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
