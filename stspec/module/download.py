"""Files of weights come from the net into torch.hub's cache: whole, verified, or with a reason.

torch.hub's own function begins anew where it was interrupted; this one goes on, in its folder and
with its bar, and leaves the files that `torch.hub.load_state_dict_from_url` would look for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlparse
from urllib.request import Request, urlopen

from torch import hub

from stspec.diagnostics import Diagnostic, SpecError, display_path

_CHUNK = 1 << 20
_PATIENCE = 60.0
"""Seconds that a server may be silent."""
_GONE = (401, 403, 404, 410)
_SCHEMES = ("http", "https", "file")


def cache_folder() -> Path:
    """Return where torch.hub keeps files of weights."""
    return Path(hub.get_dir()) / "checkpoints"


def cached(url: str) -> Path:
    """Return where the file of an address lies once it is downloaded."""
    return cache_folder() / unquote(Path(urlparse(url).path).name)


def fetch(url: str, sha256: str | None = None, *, progress: bool = True) -> Path:
    """Return the file of an address, downloaded unless it is there already.

    Args:
        url: http, https or file.
        sha256: what the file's SHA-256 begins with; not checked where not known.
        progress: show a bar on standard error.

    Raises:
        SpecError: if it is no address of a file, or a dead one, there is no network, the file is
            another one, or cannot be written. What was read of a file is kept, and the next call
            goes on.
    """
    _check_address(url)
    path = cached(url)
    part = path.with_name(path.name + ".part")
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and (sha256 is None or _digest(path).startswith(sha256)):
            return path
        _download(url, part, progress)
        found = _digest(part)
        if sha256 is not None and not found.startswith(sha256):
            part.unlink()
            message = f"what {url} gives is not the file that was published"
            help = f"its SHA-256 begins with {found[: len(sha256)]}, not with {sha256}; try again"
            raise SpecError(Diagnostic("wrong-hash", message, help=help))
        part.replace(path)
    return path


def _check_address(url: str) -> None:
    """Refuse what no file can be read from."""
    try:
        address = urlparse(url)
    except ValueError as error:
        raise _no_address(url, str(error).lower()) from None
    if address.scheme not in _SCHEMES:
        raise _no_address(url, f"one begins with {', '.join(f'{s}://' for s in _SCHEMES)}")
    if not Path(address.path).name:
        raise _no_address(url, "it names no file")


def _no_address(url: str, why: str) -> SpecError:
    message = f"`{url}` is not the address of a file: {why}"
    help = "`stspec weights list` names published weights, and `stspec weights get` downloads them"
    return SpecError(Diagnostic("bad-address", message, help=help))


def _download(url: str, part: Path, progress: bool) -> None:
    """Write an address's content behind what there is of it."""
    have = part.stat().st_size if part.is_file() else 0
    with _explained(url, part), _open(url, have) as answer:
        resumed = getattr(answer, "status", None) == 206
        left = answer.headers.get("Content-Length")
        total = int(left) + (have if resumed else 0) if left else None
        if not resumed and url.startswith("file:") and have:
            answer.read(have)
            resumed = True
        done = have if resumed else 0
        # torch.hub's own bar, which it has where tqdm is not installed either, but does not type.
        bar = hub.tqdm(  # type: ignore[attr-defined]
            total=total, initial=done, disable=not progress, unit="B", unit_scale=True,
            unit_divisor=1024, desc=part.name.removesuffix(".part"),
        )  # fmt: skip
        with part.open("ab" if resumed else "wb") as file, bar:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                bar.update(len(chunk))
    if total is not None and done < total:
        message = f"{url} broke off after {done:,} of {total:,} bytes"
        raise SpecError(Diagnostic("interrupted", message, help="the same command goes on"))


def _open(url: str, have: int) -> Any:
    """Open an address behind what is there; a server that cannot begins at the start."""
    request = Request(url, headers={"User-Agent": "stspec"})
    if not have or url.startswith("file:"):
        return urlopen(request, timeout=_PATIENCE)
    request.add_header("Range", f"bytes={have}-")
    try:
        return urlopen(request, timeout=_PATIENCE)
    except HTTPError as error:
        if error.code != 416:
            raise
        # Nothing is left to send, or the file is a shorter one now: it is read once more.
        return urlopen(Request(url, headers={"User-Agent": "stspec"}), timeout=_PATIENCE)


@contextmanager
def _explained(url: str, part: Path) -> Iterator[None]:
    """Say in words why nothing comes."""
    kept = "what was read is kept: the same command goes on"
    try:
        yield
    except HTTPError as error:
        if error.code in _GONE:
            raise _dead(url, f"{error.code} {error.reason}") from error
        message = f"{url} cannot be had at the moment: {error.code} {error.reason}"
        raise SpecError(Diagnostic("server-error", message, help="try again later")) from error
    except URLError as error:
        reason = str(getattr(error, "reason", error))
        if url.startswith("file:"):
            raise _dead(url, "there is no such file") from error
        host = urlparse(url).netloc
        message = f"{host} cannot be reached: {reason}"
        help = f"is there a network? A file downloaded elsewhere can be put to {cached(url)}"
        raise SpecError(Diagnostic("no-network", message, help=help)) from error
    except (TimeoutError, ConnectionError, HTTPException) as error:
        reason = str(error) or type(error).__name__
        message = f"{url} broke off: {reason}"
        raise SpecError(Diagnostic("interrupted", message, help=kept)) from error


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot write {display_path(path)}: {reason}"
        help = "TORCH_HOME names another folder for torch.hub's cache"
        raise SpecError(Diagnostic("unwritable-file", message, help=help)) from error


def _dead(url: str, reason: str) -> SpecError:
    message = f"{url} is gone: {reason}"
    help = "the page that published it may tell where it is now"
    return SpecError(Diagnostic("dead-link", message, help=help))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
