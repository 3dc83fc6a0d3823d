from __future__ import annotations

import asyncio
import socket

import pytest
from hiredis import ReplyError

from flowmesh_core.adapters.redis import scripts
from flowmesh_core.adapters.redis.connection import RedisClient, connect
from flowmesh_core.adapters.redis.endpoint import Endpoint
from flowmesh_core.adapters.redis.wire import pack
from flowmesh_core.domain.errors import StoreUnavailable
from tests.integration.redis.faults import cut_connections
from tests.integration.redis.servers import babbling_server, silent_server


async def test_many_callers_get_their_own_answers(operator: RedisClient) -> None:
    answers = await asyncio.gather(*(operator.call("ECHO", str(number)) for number in range(500)))
    assert answers == [b"%d" % number for number in range(500)]


async def test_cancelled_calls_leave_nothing_for_others_to_read(operator: RedisClient) -> None:
    for number in range(200):
        calling = asyncio.ensure_future(operator.call("ECHO", f"cancelled-{number}"))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        calling.cancel()
        assert await operator.call("ECHO", str(number)) == b"%d" % number
        await asyncio.wait([calling])


async def test_errors_come_one_by_one(operator: RedisClient) -> None:
    first, second, third = await operator.pipeline([("ECHO", "a"), ("NONSENSE",), ("ECHO", "b")])
    assert (first, third) == (b"a", b"b")
    assert isinstance(second, ReplyError)
    with pytest.raises(ReplyError):
        await operator.call("NONSENSE")


async def test_a_cut_connection_fails_what_is_in_flight_and_is_opened_again(
    redis_url: str, operator: RedisClient
) -> None:
    async with connect(redis_url) as client:
        blocked = asyncio.ensure_future(client.send(pack([("BLPOP", "list", 30)]), 1))
        queued = asyncio.ensure_future(client.call("ECHO", "queued"))
        await operator.call("PING")
        while await cut_connections(operator, "normal") == 0:
            pass
        for call in (blocked, queued):
            with pytest.raises(StoreUnavailable):
                await call
        assert await client.call("ECHO", "again") == b"again"


async def test_flushed_scripts_are_loaded_again(operator: RedisClient) -> None:
    await operator.call("SCRIPT", "FLUSH")
    command = scripts.TAKE.command(["fm:{q:default}:tasks:resize"], "workers", "gateway", 1)
    with pytest.raises(StoreUnavailable):
        await operator.call(*command)
    assert await operator.call(*command) == []


async def test_a_silent_server_is_unavailable_after_the_deadline() -> None:
    async with silent_server() as url:
        with pytest.raises(StoreUnavailable):
            async with connect(url, deadline=0.05):
                pass


async def test_those_who_wait_for_a_connection_share_its_failure() -> None:
    async with silent_server() as url:
        client = RedisClient(Endpoint.parse(url), deadline=0.05)
        calls = [asyncio.ensure_future(client.call("PING")) for _ in range(50)]
        calls[0].cancel()
        done, late = await asyncio.wait(calls, timeout=1)
        assert not late
        assert {type(call.exception()) for call in done if not call.cancelled()} == {StoreUnavailable}
        await client.aclose()


async def test_a_server_of_another_kind_is_unavailable() -> None:
    async with babbling_server() as url:
        with pytest.raises(StoreUnavailable):
            async with connect(url, deadline=5):
                pass


async def test_no_server_is_unavailable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(StoreUnavailable):
            async with connect(url):
                pass


async def test_a_wrong_password_is_told_without_the_password(redis_url: str) -> None:
    url = redis_url.replace("unix://", "unix://:guess@").replace("redis://", "redis://:guess@")
    with pytest.raises(StoreUnavailable) as error:
        async with connect(url):
            pass
    assert "guess" not in str(error.value)


def test_urls_are_read_as_other_clients_do() -> None:
    full = Endpoint.parse("rediss://us%3Aer:p%40ss@redis.example:6380/3")
    assert full == Endpoint("redis.example", 6380, "", "us:er", "p@ss", 3, tls=True)
    assert full.greeting() == [("AUTH", "us:er", "p@ss"), ("SELECT", 3)]
    assert Endpoint.parse("redis://") == Endpoint("localhost", 6379, "", "", "", 0, tls=False)
    unix = Endpoint.parse("unix://:secret@/run/redis.sock?db=2")
    assert unix == Endpoint("localhost", 6379, "/run/redis.sock", "", "secret", 2, tls=False)
    assert str(unix) == "/run/redis.sock"
    with pytest.raises(ValueError, match="redis://"):
        Endpoint.parse("http://localhost")


@pytest.mark.parametrize(
    "url",
    ["redis://:top/secret@redis.example", "redis://:secret@redis.example/secret", "redis://[secret"],
)
def test_no_message_shows_a_part_of_a_url_that_may_be_secret(url: str) -> None:
    with pytest.raises(ValueError, match="malformed") as refused:
        Endpoint.parse(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Endpoint.parse("redis://user:secret@redis.example"))
