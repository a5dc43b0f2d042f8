"""URLs in cells: fetched from hosts that are named, and only then; tried against a server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from consilience.core import files
from consilience.core.errors import BadCell, UserError
from consilience.core.files import Stored
from consilience.data import fetch, sources
from consilience.data.fetch import Allowed, fetched, fetching, is_url


class Handler(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", path.removeprefix("/to/"))
            self.end_headers()
        elif path == "/loop":
            self.send_response(301)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif path.startswith("/none"):
            self.send_error(404)
        else:
            body = path.encode() * (10_000 if path == "/long" else 1)
            self.send_response(200)
            if path != "/unsized":
                self.send_header("Content-Length", str(len(body) + (5 if path == "/short" else 0)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    handler = type("Own", (Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{running.server_port}", handler.asked  # type: ignore[attr-defined]
        running.shutdown()
        thread.join()


def test_urls_become_places_and_each_is_fetched_once(server, tmp_path: Path) -> None:
    host, asked = server
    cells = [f"http://{host}/a.png", None, "local.png", f"http://{host}/a.png", f"http://{host}/é b.png?x=1#part"]
    table = sources.read({"p": cells, "other": cells}, root=tmp_path)
    done = fetched(table, ["p", "absent"], Allowed.parse([host]), tmp_path / "urls", max_bytes=100)
    assert list(done["p"]) == cells
    assert list(done["other"]) == cells
    assert not any(isinstance(cell, Stored) for cell in done["other"])
    assert files.read(done["p"][0], root=tmp_path, max_bytes=100) == b"/a.png"
    assert files.read(done["p"][4], root=tmp_path, max_bytes=100) == b"/%C3%A9%20b.png?x=1"
    assert sorted(asked) == ["/%C3%A9%20b.png?x=1", "/a.png"]
    assert not is_url(done["p"][0])


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/none.png", "404"),
        ("/long", "limit"),
        ("/short", "of 11 bytes came|could not be fetched"),
        ("/loop", "more than 5 redirects"),
        ("/to/http://localhost:1/x", "localhost:1 are not fetched"),
        ("/to/file:///etc/passwd", "only http and https"),
        ("/to/http://user:word@127.0.0.1/x", "user name or password"),
    ],
)
def test_what_cannot_be_fetched_says_why(server, tmp_path: Path, path: str, says: str) -> None:
    host, _ = server
    table = sources.read({"p": [f"http://{host}{path}", f"http://{host}/unsized"]})
    done = fetched(table, ["p"], Allowed.parse([host]), tmp_path, max_bytes=1000)
    with pytest.raises(BadCell, match=says):
        files.read(done["p"][0], root=tmp_path, max_bytes=1000)
    assert files.read(done["p"][1], root=tmp_path, max_bytes=1000) == b"/unsized"


def test_hosts_that_are_not_named_are_not_asked(server, tmp_path: Path) -> None:
    host, asked = server
    table = sources.read(
        {"p": [f"http://{host}/a", f"https://{host}/a", "http://example.org/a", "http://[/a", "http:///a"]}
    )
    done = fetched(table, ["p"], Allowed.parse(["127.0.0.1", "localhost"]), tmp_path, max_bytes=1000)
    for cell in done["p"]:
        with pytest.raises(BadCell, match=r"not fetched|damaged|Invalid"):
            files.read(cell, root=tmp_path, max_bytes=1000)
    assert asked == []
    with fetching(table, ["p"], [], max_bytes=1) as same:
        assert same is table


def test_names_that_lead_inside_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = Allowed.parse(["rebound.example.org"])
    inside = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fc00::1", "0.0.0.0"]
    for address in inside:
        monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_, a=address, **__: [(0, 0, 0, "", (a, 80))])
        with pytest.raises(BadCell, match="private address"):
            fetch.fetch("http://rebound.example.org/", allowed, tmp_path / "x", max_bytes=1)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadCell, match="could not be fetched"):
        fetch.fetch("http://127.0.0.1:1/", Allowed.parse(["127.0.0.1:1"]), tmp_path / "x", max_bytes=1)


@pytest.mark.parametrize(
    "name", ["http://example.org", "*.example.org", "a b", "user@host", "host:port", "", "host/path"]
)
def test_names_of_hosts(name: str) -> None:
    with pytest.raises(UserError, match="--allow-url"):
        Allowed.parse([name])


def test_the_temporary_folder_is_gone_afterwards(server) -> None:
    host, _ = server
    with fetching(sources.read({"p": [f"http://{host}/a"]}), ["p"], [host], max_bytes=100) as table:
        place = Path(table["p"][0].file)
        assert place.read_bytes() == b"/a"
    assert not place.exists()
