"""The contract of ClusterStore."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.domain.errors import ClusterMismatch

if TYPE_CHECKING:
    from tests.contract.stores import Stores


async def test_the_first_open_creates_the_cluster_and_later_ones_find_it(stores: Stores) -> None:
    first = await stores.cluster.open(16)
    assert (first.partitions, len(first.token_key)) == (16, 32)
    assert first.cluster_id
    assert await stores.cluster.open(16) == first


async def test_all_who_open_at_once_get_the_same_cluster(stores: Stores) -> None:
    opened = await asyncio.gather(*(stores.cluster.open(16) for _ in range(8)))
    assert len({(each.cluster_id, each.token_key) for each in opened}) == 1


async def test_another_number_of_partitions_is_refused(stores: Stores) -> None:
    await stores.cluster.open(16)
    with pytest.raises(ClusterMismatch, match="16 partitions, the settings say 32"):
        await stores.cluster.open(32)


async def test_the_partitions_are_there_and_free(stores: Stores) -> None:
    await stores.cluster.open(16)
    leases = await stores.membership.acquire(await stores.member("m"), 99)
    assert [lease.partition for lease in leases] == list(range(16))


async def test_the_token_key_is_not_shown(stores: Stores) -> None:
    assert "token_key" not in repr(await stores.cluster.open(4))
