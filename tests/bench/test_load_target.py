"""What is sent: URLs, bodies, templates and bytes."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.bench.load.target import Target, encode_requests, parse_target, read_bodies

HERE = Target("127.0.0.1", 8000, "/api/m")


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://localhost", "localhost", "/"),
        ("http://localhost:8000/a?b=c", "localhost:8000", "/a?b=c"),
        ("http://[::1]:8000/", "[::1]:8000", "/"),
    ],
)
def test_urls(url: str, authority: str, path: str):
    target = parse_target(url)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/",
        "localhost:80",
        "http://",
        "http://a/b c",
        "http://a/ä",
        "http://a:0/",
        "http://me:pw@a/",
    ],
)
def test_a_url_that_cannot_be_measured_is_refused(url: str):
    with pytest.raises(ValueError, match=r"is not a URL|percent-encoded|must name no user"):
        parse_target(url)


def test_json_lines_are_sent_as_they_are(tmp_path: Path):
    file = tmp_path / "bodies.jsonl"
    file.write_text('{"q": "a"}\n\n{"q": "b"}\n')
    assert read_bodies(file) == (b'{"q": "a"}', b'{"q": "b"}')


def test_a_line_ends_where_a_file_says_so_and_nowhere_else(tmp_path: Path):
    file = tmp_path / "bodies.jsonl"
    file.write_bytes('\ufeff{"q": "a\u2028b\u0085c"}\r\n{"q": "d"}'.encode())
    assert [msgspec.json.decode(body)["q"] for body in read_bodies(file)] == ["a\u2028b\u0085c", "d"]


@settings(deadline=None)  # a busy machine is no failure
@given(
    lines=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1), min_size=1
    )
)
def test_any_text_through_a_template_is_json_that_holds_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
):
    lines = [f"x{line}" for line in lines]
    file = tmp_path_factory.mktemp("bodies") / "texts.txt"
    file.write_text("\n".join(lines), "utf-8")
    bodies = read_bodies(file, template='{"q": $line}')
    assert [msgspec.json.decode(body)["q"] for body in bodies] == lines


@pytest.mark.parametrize(
    ("content", "template", "why"),
    [
        ("", None, "no lines"),
        ("{}\nnot json", None, "line 2 .* is not JSON"),
        ("text", "{}", r"has no \$line"),
        ("text", '{"q": "$line"}', "is not JSON"),
    ],
)
def test_bodies_that_cannot_be_sent_are_refused_with_the_line(
    tmp_path: Path, content: str, template: str, why: str
):
    file = tmp_path / "bodies"
    file.write_text(content)
    with pytest.raises(ValueError, match=why):
        read_bodies(file, template=template)


def test_a_request_is_whole_and_ready():
    (request,) = encode_requests(HERE, method="POST", headers={"X-Request-Timeout-Ms": "250"}, bodies=[b"{}"])
    assert request == (
        b"POST /api/m HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
        b"X-Request-Timeout-Ms: 250\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_without_a_body_there_is_one_request_without_a_length():
    assert encode_requests(HERE, method="GET", headers={}, bodies=[]) == (
        b"GET /api/m HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n",
    )


def test_a_header_that_is_given_takes_the_place_of_the_usual_one_however_it_is_written():
    (request,) = encode_requests(
        HERE, method="post", headers={"content-type": "text/plain", "HOST": "shop"}, bodies=[b"a"]
    )
    assert request == (
        b"POST /api/m HTTP/1.1\r\ncontent-type: text/plain\r\nHOST: shop\r\nContent-Length: 1\r\n\r\na"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"": "a"},
        {"a b": "c"},
        {"Content-length": "3"},
        {"transfer-encoding": "chunked"},
        {"A": "1", "a": "2"},
    ],
)
def test_headers_that_would_make_another_request_are_refused(headers: dict[str, str]):
    with pytest.raises(ValueError, match=r"name of a header|length of the body|given twice"):
        encode_requests(HERE, method="POST", headers=headers, bodies=[b"a"])


@pytest.mark.parametrize(
    ("method", "value"), [("GET", "a\r\nb"), ("HEAD", "a"), ("head", "a"), ("G T", "a"), ("G\u00c4T", "a")]
)
def test_what_would_break_the_protocol_is_refused(method: str, value: str):
    with pytest.raises(ValueError, match=r"line break|not a method"):
        encode_requests(HERE, method=method, headers={"X": value}, bodies=[])
