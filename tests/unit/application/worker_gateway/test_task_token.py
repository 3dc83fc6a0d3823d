from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.application.worker_gateway.task_token import TaskClaims, TaskTokens
from flowmesh_core.domain.errors import InvalidTaskToken
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.time import Micros

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
claims = st.builds(
    TaskClaims,
    key=st.builds(ExecutionKey, names, names),
    node_id=names,
    attempt=st.integers(1, 2**31),
    handler=names,
    entry_id=names,
    gateway_id=names,
    worker_id=names | st.just(""),
    deadline=st.integers(0, 2**60).map(Micros),
    heartbeat=st.integers(0, 2**60).map(Micros),
)
TOKENS = TaskTokens(b"k" * 32)


@given(claims)
def test_what_was_sealed_is_opened(sealed: TaskClaims) -> None:
    assert TOKENS.open(TOKENS.seal(sealed)) == sealed


@given(claims, st.data())
def test_every_altered_byte_is_noticed(sealed: TaskClaims, data: st.DataObject) -> None:
    token = bytearray(TOKENS.seal(sealed))
    at = data.draw(st.integers(0, len(token) - 1))
    token[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidTaskToken):
        TOKENS.open(bytes(token))


@given(claims)
def test_another_key_opens_nothing(sealed: TaskClaims) -> None:
    with pytest.raises(InvalidTaskToken):
        TaskTokens(b"x" * 32).open(TOKENS.seal(sealed))


@given(st.binary(max_size=64))
def test_noise_is_refused(token: bytes) -> None:
    with pytest.raises(InvalidTaskToken):
        TOKENS.open(token)
