"""Every name that flowmesh uses in Redis.

```
fm:{p17}:commands        stream   commands to the owner of partition 17
fm:{p17}:parked          stream   what could not be decoded of them, the newest 1,000
fm:{p17}:dispatched      hash     execution → sequence up to which all is dispatched; `beat` → see Beats
fm:{p17}:watch           channel  executions of the partition that have new events
fm:{q:NS}:tasks:HANDLER  stream   tasks of a handler, group `workers`, one consumer per gateway
fm:{q:NS}:queues         set      handlers that may have such a stream
fm:{q:NS}:parked         stream   what could not be decoded of the tasks, the newest 1,000
fm:{q:NS}:arrivals       channel  the namespace and its handlers that got tasks
fm:bells                 channel  partitions that got commands
fm:closed                channel  executions that closed
fm:namespaces            set      namespaces that may have queues
fm:gateways              set      gateways that may hold tasks
fm:mail:MEMBER           channel  messages to a server process
fm:{workers}             set      gateways that may have workers
fm:{workers}:GATEWAY     string   the workers of a gateway, with a time to live
fm:{rate}:NAME           hash     a token bucket
```

The braces are hash tags: keys that one Lua call touches share a tag, so that
they are in one slot of a Redis Cluster.
"""

from __future__ import annotations

TASK_GROUP = "workers"
BODY_FIELD = "m"
BEAT_FIELD = "beat"
BELLS = "fm:bells"
CLOSED = "fm:closed"
NAMESPACES = "fm:namespaces"
GATEWAYS = "fm:gateways"
REGISTERED_GATEWAYS = "fm:{workers}"
PARKED_LENGTH = 1_000
"""How many parked entries each parked stream keeps."""


def commands(partition: int) -> str:
    """Return the stream of commands of a partition."""
    return f"fm:{{p{partition}}}:commands"


def parked_commands(partition: int) -> str:
    """Return the stream of undecodable commands of a partition."""
    return f"fm:{{p{partition}}}:parked"


def dispatched(partition: int) -> str:
    """Return the hash of dispatched sequences of a partition."""
    return f"fm:{{p{partition}}}:dispatched"


def watch(partition: int) -> str:
    """Return the channel of watch hints of a partition."""
    return f"fm:{{p{partition}}}:watch"


def tasks(namespace: str, handler: str) -> str:
    """Return the stream of tasks of a handler."""
    return f"fm:{{q:{namespace}}}:tasks:{handler}"


def queues(namespace: str) -> str:
    """Return the set of handlers of a namespace that may have tasks."""
    return f"fm:{{q:{namespace}}}:queues"


def parked_tasks(namespace: str) -> str:
    """Return the stream of undecodable tasks of a namespace."""
    return f"fm:{{q:{namespace}}}:parked"


def arrivals(namespace: str) -> str:
    """Return the channel that names handlers which got tasks."""
    return f"fm:{{q:{namespace}}}:arrivals"


def mailbox(member_id: str) -> str:
    """Return the channel of messages to a server process."""
    return f"fm:mail:{member_id}"


def workers(gateway_id: str) -> str:
    """Return the key under which a gateway lists its workers."""
    return f"fm:{{workers}}:{gateway_id}"


def bucket(name: str) -> str:
    """Return the hash of a token bucket."""
    return f"fm:{{rate}}:{name}"


def partition_of_commands(stream: bytes) -> int:
    """Return the partition whose `commands` stream this is."""
    return int(stream[len(b"fm:{p") : stream.index(b"}")])
