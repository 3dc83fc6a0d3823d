"""Numbered changes of the schema: `NNNN_pre_name.sql` and `NNNN_post_name.sql`.

`pre` only adds, and is applied before new code is deployed; old code runs on
with it. `post` removes what no running code needs any more. A file is never
changed once it was released: its checksum is stored where it was applied.
"""

from __future__ import annotations
