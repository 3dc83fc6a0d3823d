"""Rests between batches, so that batches grow when there is much to do."""

from __future__ import annotations

import asyncio


async def rest_since(began: float, longest: float) -> None:
    """Stand still for as long as the batch that began then, on the loop's clock, took.

    What arrives meanwhile shares the next batch's round trips. For those who come
    by themselves in great numbers; who waits for one answer to ask again would only
    be slowed down, so the turns of owners know no rest.

    Args:
        began: When the batch began.
        longest: The most seconds to rest.
    """
    await asyncio.sleep(min(asyncio.get_running_loop().time() - began, longest))
