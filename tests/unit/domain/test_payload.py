from __future__ import annotations

from flowmesh_core.domain.payload import Payload


def test_the_size_is_that_of_everything_a_caller_can_make_long() -> None:
    assert Payload(b"12").size == 2
    assert Payload(b"12", "text/plain").size == 2 + len("text/plain")
    assert Payload(b"12", metadata=(("k", "ü"),)).size == 2 + 1 + 2
