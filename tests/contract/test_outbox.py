from __future__ import annotations

import pytest

from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.command_log import QueueEntry, TransportLost
from flowmesh_core.ports.outbox import CancelNotice, Outgoing, Reply
from flowmesh_core.ports.task_queue import QueueName
from tests.contract.transports import Transport, command, execution, task

RESIZE = QueueName("default", "resize")


async def test_tasks_are_queued_and_their_entries_returned_in_order(transport: Transport) -> None:
    process = transport.process()
    tasks = [task(1), task(2, "blur"), task(3), task(4, namespace="other")]
    entries = await process.outbox.flush(Outgoing(tasks=tasks, dispatched={7: {execution(): 3}}))
    assert [(each.namespace, each.handler) for each in entries] == [
        (each.key.namespace, each.handler) for each in tasks
    ]
    taken = await process.task_queue.take("gateway", [RESIZE], 10)
    assert [each.entry for each in taken] == [entries[0], entries[2]]
    assert [each.task for each in taken] == [tasks[0], tasks[2]]


async def test_dispatched_sequences_are_kept_until_closed(transport: Transport) -> None:
    outbox = transport.process().outbox
    await outbox.flush(Outgoing(dispatched={7: {execution(1): 3, execution(2): 5}, 8: {execution(3): 1}}))
    await outbox.flush(Outgoing(dispatched={7: {execution(1): 9}}, closed={7: [execution(2)]}))
    assert await outbox.dispatched(7) == {execution(1): 9}
    assert await outbox.dispatched(8) == {execution(3): 1}
    assert await outbox.dispatched(9) == {}


async def test_acknowledged_commands_are_gone(transport: Transport) -> None:
    process = transport.process()
    await process.command_log.open([7])
    await process.command_log.send([command(number=number) for number in range(3)])
    received = await process.command_log.receive([7], limit=10, wait=0)
    await process.outbox.flush(Outgoing(acknowledged={7: [each.entry_id for each in received]}))
    assert await process.command_log.claim(7) == []
    assert await process.command_log.depth([7]) == 0


async def test_withdrawn_tasks_are_not_taken(transport: Transport) -> None:
    process = transport.process()
    entries = await process.outbox.flush(Outgoing(tasks=[task(1), task(2)]))
    await process.outbox.flush(Outgoing(withdrawn=entries[:1]))
    await process.outbox.flush(Outgoing(withdrawn=entries[:1]))
    taken = await process.task_queue.take("gateway", [RESIZE], 10)
    assert [each.task for each in taken] == [task(2)]


async def test_one_message_per_mailbox_holds_replies_and_cancels(transport: Transport) -> None:
    process = transport.process()
    reply = Reply("c-1", Verdict.ACCEPTED, ExecutionStatus.RUNNING)
    pending = Reply("c-2", Verdict.UNKNOWN, None)
    cancel = CancelNotice(execution(), "node", 2)
    async with process.mailbox.open("gateway") as mail:
        outgoing = Outgoing(
            replies={"gateway": [reply, pending], "nobody": [reply]}, cancels={"gateway": [cancel]}
        )
        await process.outbox.flush(outgoing)
        assert list(await anext(mail)) == [reply, pending, cancel]


async def test_watchers_hear_of_changes(transport: Transport) -> None:
    process = transport.process()
    async with process.watch_hints.subscribe(7) as hints:
        await process.outbox.flush(Outgoing(changed={6: {execution(1): 1}, 7: {execution(2): 4}}))
        while not (hint := await anext(hints)):
            pass
        assert hint == {execution(2): 4}


async def test_nothing_to_send_is_fine(transport: Transport) -> None:
    empty = Outgoing(dispatched={7: {}}, closed={7: []}, changed={7: {}}, acknowledged={7: []})
    assert await transport.process().outbox.flush(empty) == []
    assert await transport.process().outbox.flush(Outgoing()) == []


async def test_a_large_flush_keeps_its_order(transport: Transport) -> None:
    process = transport.process()
    tasks = [task(number) for number in range(5_000)]
    entries = await process.outbox.flush(Outgoing(tasks=tasks))
    taken = await process.task_queue.take("gateway", [RESIZE], 5_000)
    assert [each.task for each in taken] == tasks
    assert [each.entry for each in taken] == list(entries)


async def test_a_queue_tells_its_newest_entry_and_what_it_holds_up_to_one(transport: Transport) -> None:
    process = transport.process()
    first, second = await process.outbox.flush(Outgoing(tasks=[task(1), task(2)]))
    queue = (first.namespace, first.handler)
    assert await process.outbox.newest([queue, ("default", "nobody")]) == [second.entry_id, ""]

    await process.task_queue.take("gateway", [QueueName(*queue)], 1)
    assert await process.outbox.hold_up_to([first, second]) == [True, True]

    await process.task_queue.remove([first])
    assert await process.outbox.hold_up_to([first, second]) == [False, True]

    await process.task_queue.remove([second])
    (third,) = await process.outbox.flush(Outgoing(tasks=[task(3)]))
    assert await process.outbox.hold_up_to([first, second, third]) == [False, False, True]
    assert await process.outbox.newest([queue]) == [third.entry_id]


async def test_a_queue_that_is_gone_holds_nothing(transport: Transport) -> None:
    process = transport.process()
    (entry,) = await process.outbox.flush(Outgoing(tasks=[task(1)]))
    await transport.lose_everything()

    assert await process.outbox.newest([(entry.namespace, entry.handler)]) == [""]
    gone = QueueEntry(entry.namespace, entry.handler, "")
    assert await process.outbox.hold_up_to([entry, gone]) == [False, False]


async def test_nothing_is_noted_as_dispatched_after_a_loss(transport: Transport) -> None:
    # A note also says that everything before it was dispatched, and that is what was lost.
    process, heir = transport.process(), transport.process()
    await process.command_log.open([7])
    await process.outbox.flush(Outgoing(dispatched={7: {execution(1): 3}}))
    await transport.lose_everything()
    with pytest.raises(TransportLost) as error:
        await process.outbox.flush(Outgoing(dispatched={7: {execution(1): 9}}))
    assert error.value.partitions == {7}
    await heir.command_log.open([7])
    assert await heir.outbox.dispatched(7) == {}
