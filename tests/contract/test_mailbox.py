from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.mailbox import HeartbeatAnswer, HeartbeatForward, TasksMoved
from flowmesh_core.ports.outbox import CancelNotice, Reply
from tests.contract.transports import execution

if TYPE_CHECKING:
    from flowmesh_core.ports.mailbox import MailboxMessage
    from tests.contract.transports import Transport

MESSAGES: list[MailboxMessage] = [
    Reply("c", Verdict.CLOSED, ExecutionStatus.CANCELLED),
    Reply("c", Verdict.UNKNOWN, None),
    CancelNotice(execution(), "node", 3),
    HeartbeatForward(b"\x00token", "gateway", "h"),
    HeartbeatAnswer("h", held=True, cancelled=False),
    TasksMoved((b"one", b"two")),
]


async def test_messages_arrive_whole_in_batches_and_in_order(transport: Transport) -> None:
    mailbox = transport.process().mailbox
    async with mailbox.open("member") as mail:
        await mailbox.post("member", MESSAGES)
        await mailbox.post("member", MESSAGES[:1])
        assert list(await anext(mail)) == MESSAGES
        assert list(await anext(mail)) == MESSAGES[:1]


async def test_only_the_addressee_gets_them(transport: Transport) -> None:
    mailbox = transport.process().mailbox
    async with mailbox.open("one") as first, mailbox.open("two") as second:
        await mailbox.post("two", MESSAGES[:1])
        await mailbox.post("one", MESSAGES[1:2])
        assert list(await anext(first)) == MESSAGES[1:2]
        assert list(await anext(second)) == MESSAGES[:1]


async def test_a_mailbox_can_be_opened_again_and_holds_nothing_from_before(transport: Transport) -> None:
    mailbox = transport.process().mailbox
    async with mailbox.open("member"):
        pass
    await mailbox.post("member", MESSAGES[:1])
    async with mailbox.open("member") as mail:
        await mailbox.post("member", MESSAGES[1:2])
        assert list(await anext(mail)) == MESSAGES[1:2]
