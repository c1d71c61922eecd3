"""What is sent where: the URL, the bodies, and each request as bytes made before the run begins."""

__all__ = ("Target", "encode_requests", "parse_target", "read_bodies", "require_known")

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

_PLACE = "$line"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Target:
    """An address and what to ask of it.

    Attributes:
        host: Name or address, without brackets.
        port: In ``[1, 65535]``.
        path: Path and query, beginning with a slash.
    """

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """Return the target that a URL names.

    Raises:
        ValueError: It is not an ``http://`` URL with a host, or names a user or the port 0. TLS is left out on
            purpose: it would measure the generator's own encryption.

    Example:
        >>> parse_target("http://127.0.0.1:8000/api/sentiment")
        Target(host='127.0.0.1', port=8000, path='/api/sentiment')
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:8000/api/sentiment")
    if parts.username is not None or parts.port == 0:
        raise ValueError(f"{url!r} must name no user, who would not be sent, and a port from 1 to 65535")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or any(c <= " " for c in path):
        raise ValueError(f"the path of {url!r} must be percent-encoded")
    return Target(parts.hostname, parts.port or 80, path)


def require_known(target: Target) -> None:
    """Look the host up once, so that a name that nobody knows is told before the run and not by each request.

    Raises:
        ValueError: It has no address.

    Example:
        >>> require_known(Target("127.0.0.1", 8000, "/"))
    """
    try:
        socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"the host {target.host!r} is not known: {error}") from error


def read_bodies(path: Path, *, template: str | None = None) -> tuple[bytes, ...]:
    r"""Return one body for each line of a file that is not blank.

    Args:
        path: JSON lines, sent as they are; or any text, where there is a template.
        template: Holds ``$line``, which is replaced by the line as a JSON string: ``{"q": $line}``.

    Raises:
        ValueError: The file has no lines, a line is not JSON, or the template has no place for it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "texts.txt"
        ...     _ = file.write_text('I said "no"')
        ...     read_bodies(file, template='{"q": $line}')
        (b'{"q": "I said \\"no\\""}',)
    """
    if template is not None and _PLACE not in template:
        raise ValueError(f"the template {template!r} has no {_PLACE}")
    text = path.read_text("utf-8-sig")  # which other programs write before their texts
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError(f"{path} has no lines to send")
    return tuple(_body(line, template, where=f"line {number} of {path}") for number, line in lines)


def _body(line: str, template: str | None, *, where: str) -> bytes:
    if template is not None:
        line = template.replace(_PLACE, msgspec.json.encode(line).decode())
    body = line.encode()
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"{where} is not JSON: {error}; for plain text give a template") from error
    return body


def encode_requests(
    target: Target, *, method: str, headers: Mapping[str, str], bodies: Sequence[bytes]
) -> tuple[bytes, ...]:
    r"""Return whole HTTP/1.1 requests, one for each body; with no bodies, one request without any.

    Args:
        target: Where they go.
        method: ``GET``, ``POST`` and so on, in capitals or not, but not ``HEAD``, whose answers announce bodies
            that never come.
        headers: Sent besides Host and Content-Length. A body is called JSON unless they say otherwise, and a Host
            in them is sent in place of the target's; names are the same in capitals or not.
        bodies: Bodies, sent in turn.

    Raises:
        ValueError: A header has no name, comes twice, would say another length or holds a line break; or the
            method is none that can be sent.

    Example:
        >>> target = parse_target("http://localhost/api")
        >>> encode_requests(target, method="POST", headers={}, bodies=[b"{}"])[0].split(b"\r\n")[:2]
        [b'POST /api HTTP/1.1', b'Host: localhost']
    """
    verb = method.upper()
    if not (verb.isascii() and verb.isalpha()) or verb in ("HEAD", "CONNECT"):
        raise ValueError(f"{method!r} is not a method that can be measured")
    _require_sendable(headers)
    usual = {"Host": target.authority, **({"Content-Type": "application/json"} if bodies else {})}
    given = {name.lower() for name in headers}
    fields = {**{name: value for name, value in usual.items() if name.lower() not in given}, **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    start = f"{verb} {target.path} HTTP/1.1\r\n{head}".encode("latin-1")
    if not bodies:
        return (start + b"\r\n",)
    return tuple(start + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies)


def _require_sendable(headers: Mapping[str, str]) -> None:
    names = [name.lower() for name in headers]
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header")
        if any(c in value for c in "\r\n\0"):
            raise ValueError(f"the header {name!r} must not hold a line break")
        if name.lower() in ("content-length", "transfer-encoding"):
            raise ValueError(f"the header {name!r} is set by the length of the body")
        if names.count(name.lower()) > 1:
            raise ValueError(f"the header {name!r} is given twice")
