"""Clients that mean no good, over real sockets: others are served meanwhile, and memory stays bounded."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.service import Running, kept_open, open_service, read_answer, until_metric

pytestmark = pytest.mark.process

HEAD = b"POST /api/shout HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
OFFER = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
_PROMPT_S = 5.0
_ROOM_MIB = 100.0  # over what the service has at rest


async def others_are_served(service: Running) -> None:
    async with asyncio.timeout(_PROMPT_S):
        for _ in range(20):
            assert (await service.post("/api/shout", "hi")).json() == "HI"


async def send_on(writer: asyncio.StreamWriter, piece: bytes, *, total_bytes: int) -> None:
    """Send until the other side has had enough."""
    with contextlib.suppress(ConnectionError):
        for _ in range(total_bytes // len(piece)):
            writer.write(piece)
            await writer.drain()


@pytest.fixture
def many_files() -> Iterator[int]:
    """As many open files as are allowed, up to 20,000, for us too; gives their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = 20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000)
    if allowed < 2000:
        pytest.skip(f"this machine allows {hard} open files; the test needs 2000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    yield allowed
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def hold_open() -> Iterator[Callable[[int, int], None]]:
    """Have so many connections to a port open; plain sockets, for nothing comes on them."""
    lines: list[socket.socket] = []

    def hold(port: int, count: int) -> None:
        while len(lines) > count:
            lines.pop().close()
        while len(lines) < count:
            lines.append(socket.create_connection(("127.0.0.1", port), timeout=10.0))

    yield hold
    hold(0, 0)


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.transport.abort()


async def test_a_client_that_sends_a_byte_at_a_time_gets_its_answer_and_holds_up_nobody(
    project: Path,
) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        reader, writer = await service.connect()
        for byte in HEAD + b'content-length: 6\r\nconnection: close\r\n\r\n"slow"':
            writer.write(bytes([byte]))
            await writer.drain()
            if byte == ord("\n"):
                await others_are_served(service)
        assert read_answer(await reader.read())[2] == "SLOW"
        await close(writer)


async def test_heads_without_end_are_refused(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        at_rest = service.rss_mib
        for piece, total_bytes in (
            (b"x-many: " + b"y" * 100 + b"\r\n", 20_000_000),
            (b"z" * 65536, 20_000_000),
        ):
            reader, writer = await service.connect()
            writer.write(HEAD + b"x-long: ")
            await send_on(writer, piece, total_bytes=total_bytes)
            with contextlib.suppress(ConnectionError):  # it may be cut off before its client reads why
                assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
            await close(writer)
        await others_are_served(service)
        assert service.rss_mib < at_rest + _ROOM_MIB


async def test_ten_thousand_headers_are_answered_or_refused(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        reader, writer = await service.connect()
        many = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
        writer.write(HEAD + many + b'content-length: 4\r\nconnection: close\r\n\r\n"hi"')
        assert read_answer(await reader.read())[0] in {200, 431}
        await others_are_served(service)
        await close(writer)


async def test_a_body_of_a_gigabyte_is_refused_by_its_announcement(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        reader, writer = await service.connect()
        writer.write(HEAD + b"content-length: 1000000000\r\n\r\n")
        status, headers, value = read_answer(await reader.read())
        assert (status, value["code"], headers["connection"]) == (413, "too_large", "close")
        await others_are_served(service)
        await close(writer)


async def test_a_body_that_never_says_how_long_it_is_is_cut_off(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        at_rest = service.rss_mib
        reader, writer = await service.connect()
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        await send_on(writer, b"10000\r\n" + b"x" * 65536 + b"\r\n", total_bytes=100_000_000)
        with contextlib.suppress(ConnectionError):
            assert read_answer(await reader.read())[0] == 413
        await others_are_served(service)
        assert service.rss_mib < at_rest + _ROOM_MIB
        await close(writer)


async def test_bodies_half_sent_do_not_fill_the_memory(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        at_rest = service.rss_mib
        half = HEAD + b"content-length: 1000000\r\n\r\n" + b"x" * 900_000
        lines = [await service.connect() for _ in range(100)]
        await asyncio.gather(*(send_on(writer, half, total_bytes=len(half)) for _, writer in lines))
        await others_are_served(service)
        assert service.rss_mib < at_rest + _ROOM_MIB
        for _, writer in lines[::2]:
            await close(writer)
        await others_are_served(service)
        await close(*(writer for _, writer in lines))


async def test_half_a_body_and_then_nothing_more_costs_nobody_anything(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        for _ in range(50):
            _, writer = await service.connect()
            writer.write(HEAD + b'content-length: 100\r\n\r\n"half')
            await writer.drain()
            await close(writer)
        await others_are_served(service)
        assert "Traceback" not in service.log


async def test_clients_that_leave_while_they_wait_free_their_places(project: Path) -> None:
    options = ("--queue-limit", "20", "--deadline-ms", "25000")
    async with open_service("tasks:Gated", *options, cwd=project) as service:
        lines = [await service.connect() for _ in range(21)]
        request = HEAD.replace(b"shout", b"gated") + b'content-length: 6\r\n\r\n"gone"'
        for number, (_, writer) in enumerate(lines):
            writer.write(request)
            await until_metric(service, "pulse_running_items", 1)
            await until_metric(service, "pulse_queue_items", number)
        assert (await service.post("/api/gated", "one too many")).status_code == 429
        await close(*(writer for _, writer in lines))
        await until_metric(service, "pulse_queue_items", 0)
        stays = asyncio.create_task(service.post("/api/gated", "stays"))
        await until_metric(service, "pulse_queue_items", 1)
        async with kept_open(project / "gate"):  # for the batch of the first who left, and for ours
            assert (await stays).json() == "stays"


async def test_pipelined_requests_are_answered_in_order_and_endless_ones_are_bounded(project: Path) -> None:
    async with open_service("tasks:Shout", "--deadline-ms", "20000", cwd=project) as service:
        at_rest = service.rss_mib
        reader, writer = await service.connect()
        for number in range(50):
            item = b'"q%d"' % number
            writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(item) + item)
        for number in range(50):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(len(b'"Q%d"' % number)) == b'"Q%d"' % number
        greedy = (await service.connect())[1]
        sending = asyncio.create_task(
            send_on(greedy, b"GET /metrics HTTP/1.1\r\n\r\n" * 2000, total_bytes=50_000_000)
        )
        await others_are_served(service)
        assert service.rss_mib < at_rest + _ROOM_MIB
        sending.cancel()
        await asyncio.wait({sending})
        await close(writer, greedy)


async def test_ten_thousand_idle_connections_leave_room_for_others(
    project: Path, many_files: int, hold_open: Callable[[int, int], None]
) -> None:
    count = min(10_000, many_files - 500)
    async with open_service("tasks:Shout", cwd=project) as service:
        at_rest = service.rss_mib
        await asyncio.to_thread(hold_open, service.port, count)
        await others_are_served(service)
        assert (await service.get("/healthz")).status_code == 200
        assert service.rss_mib < at_rest + _ROOM_MIB
        await asyncio.to_thread(hold_open, service.port, 0)
        await others_are_served(service)


async def test_the_service_raises_its_own_limit_of_open_files(project: Path, many_files: int) -> None:
    def few_files_at_first() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, many_files))

    async with open_service("tasks:Shout", cwd=project, limit=few_files_at_first) as service:
        lines = [await service.connect() for _ in range(500)]
        await others_are_served(service)
        await close(*(writer for _, writer in lines))


async def test_without_a_file_to_spare_those_who_are_connected_are_still_served(project: Path) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    async with open_service("tasks:Shout", cwd=project, limit=few_files) as service:
        await others_are_served(service)  # its connection is kept
        lines = [await service.connect() for _ in range(300)]
        await others_are_served(service)
        await close(*(writer for _, writer in lines))
        await others_are_served(service)
        status, _, value = await service.post_alone("/api/shout", "new")
        assert (status, value) == (200, "NEW")


async def test_answers_that_nobody_reads_do_not_fill_the_memory(project: Path) -> None:
    async with open_service("tasks:Large", "tasks:Shout", "--deadline-ms", "20000", cwd=project) as service:
        at_rest = service.rss_mib
        lines = [await service.connect() for _ in range(10)]
        request = b"POST /api/large HTTP/1.1\r\ncontent-length: 7\r\n\r\n1000000"
        for _, writer in lines:
            writer.write(request * 20)
        await others_are_served(service)
        assert service.rss_mib < at_rest + _ROOM_MIB
        await close(*(writer for _, writer in lines))
        await others_are_served(service)


async def test_noise_leaves_no_trace_in_the_log(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        for noise in (b"\x16\x03\x01", OFFER, b"\r\n" * 9):
            _, writer = await service.connect()
            writer.write(noise)
            await writer.drain()
            await close(writer)
        await others_are_served(service)
        assert not [line for line in service.log.splitlines() if "a library that prints" not in line]
