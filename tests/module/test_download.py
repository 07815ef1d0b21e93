"""Downloads: from files, and from a server of our own that behaves as badly as servers do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stspec.diagnostics import Diagnostic, SpecError
from stspec.module.download import cached, fetch

DATA = bytes(range(256)) * 9000
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


class Handler(BaseHTTPRequestHandler):
    """Serves DATA; `/short` ends in the middle, `/deaf` ignores ranges, others are errors."""

    ranges: list[str]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.ranges.append(wanted or "")
        if self.path.startswith("/gone"):
            self.send_error(404)
            return
        if self.path.startswith("/busy"):
            self.send_error(503)
            return
        first = int(wanted[6:-1]) if wanted and "deaf" not in self.path else 0
        if first >= len(DATA):
            self.send_error(416)
            return
        body = DATA[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        short = "short" in self.path and not wanted
        self.wfile.write(body[: len(body) // 2] if short else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server of this machine."""
    Handler.ranges = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def refused(url: str, sha256: str | None = None) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        fetch(url, sha256, progress=False)
    (found,) = caught.value.diagnostics
    return found


def test_a_file_lands_in_the_cache_of_torch_hub(server: str, hub: Path) -> None:
    path = fetch(f"{server}/a/weights-{SHA[:8]}.pth?x=1", SHA[:8], progress=False)
    assert path == hub / "hub" / "checkpoints" / f"weights-{SHA[:8]}.pth"
    assert path.read_bytes() == DATA
    assert fetch(f"{server}/a/weights-{SHA[:8]}.pth", SHA, progress=False) == path
    assert Handler.ranges == [""]
    assert list(path.parent.iterdir()) == [path]


def test_files_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(DATA)
    url = (tmp_path / "w.pth").as_uri()
    assert fetch(url, SHA[:12], progress=False).read_bytes() == DATA
    assert refused((tmp_path / "absent.pth").as_uri()).code == "dead-link"


@pytest.mark.parametrize("path", ["w.pth", "deaf.pth"])
def test_an_interrupted_download_goes_on(server: str, path: str) -> None:
    """Where the server cannot go on, it begins anew; the file is right either way."""
    target = cached(f"{server}/{path}")
    target.parent.mkdir(parents=True)
    part = target.with_name(path + ".part")
    part.write_bytes(DATA[:1000])
    assert fetch(f"{server}/{path}", SHA, progress=False).read_bytes() == DATA
    assert Handler.ranges == ["bytes=1000-"] and not part.exists()


def test_a_download_that_breaks_off_is_kept(server: str) -> None:
    found = refused(f"{server}/short.pth", SHA)
    assert found.code == "interrupted" and "goes on" in str(found.help)
    part = cached(f"{server}/short.pth.part")
    assert part.stat().st_size == len(DATA) // 2
    assert fetch(f"{server}/short.pth", SHA, progress=False).read_bytes() == DATA
    assert Handler.ranges == ["", f"bytes={len(DATA) // 2}-"]


def test_a_whole_part_is_taken(server: str) -> None:
    part = cached(f"{server}/w.pth.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA)
    assert fetch(f"{server}/w.pth", SHA, progress=False).read_bytes() == DATA


def test_another_file_than_was_published(server: str) -> None:
    found = refused(f"{server}/w.pth", "0123abcd")
    assert found.code == "wrong-hash" and SHA[:8] in str(found.help)
    assert not list(cached(server + "/w.pth").parent.iterdir())


def test_a_damaged_file_of_the_cache_is_read_anew(server: str) -> None:
    target = cached(f"{server}/w.pth")
    target.parent.mkdir(parents=True)
    target.write_bytes(DATA[:-1])
    assert fetch(f"{server}/w.pth", SHA, progress=False).read_bytes() == DATA


def test_dead_links_and_servers_at_their_end(server: str) -> None:
    found = refused(f"{server}/gone.pth")
    assert found.code == "dead-link" and "404" in found.message
    assert refused(f"{server}/busy.pth").code == "server-error"


def test_no_network() -> None:
    found = refused("http://nowhere.invalid/w.pth")
    assert found.code == "no-network" and "nowhere.invalid" in found.message
    assert str(cached("http://nowhere.invalid/w.pth")) in str(found.help)
    assert refused("http://127.0.0.1:9/w.pth").code == "no-network"


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.pth").write_bytes(DATA)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    found = refused((tmp_path / "w.pth").as_uri())
    assert found.code == "unwritable-file" and "TORCH_HOME" in str(found.help)


def test_the_bar_is_shown(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(f"{server}/bar.pth", SHA)
    assert "100" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "one begins with http://, https://, file://"),
        ("ftp://example.org/a.pth", "one begins with"),
        ("", "one begins with"),
        ("https://example.org/", "it names no file"),
        ("http://[example/a.pth", "invalid ipv6 url"),
    ],
)
def test_what_is_no_address_is_told_so(url: str, why: str, hub: Path) -> None:
    with pytest.raises(SpecError) as caught:
        fetch(url)
    (found,) = caught.value.diagnostics
    assert found.code == "bad-address"
    assert found.message.startswith(f"`{url}` is not the address of a file: {why}")
    assert not hub.exists()
