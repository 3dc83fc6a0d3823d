"""The reaper role: sweeps that bring back what was lost and delete what is old.

Nothing is wrong without it, only late: any number may run, or none for a while.
"""

from __future__ import annotations

from flowmesh_services.reaper.loop import Reaper, Sweep

__all__ = ["Reaper", "Sweep"]
