"""The worker gateway: who holds which task, for how long, and what the owner says of it.

Everything that decides is synchronous and works on plain data (`Floor` and what
it is made of); `Gateway` moves the data between the ports and these decisions.
"""

from __future__ import annotations
