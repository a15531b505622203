"""What many runs at once in one process cost each other, and how those who wait for their first word are spared it.

To read, encode and send every token of a thousand answers by itself takes more than half of a process's time. So in a
crowd each run tells its text a few times a second only, and the less often the later the event loop is.
"""

import asyncio
from collections.abc import Awaitable

from chat.streams import live_runs

CROWD = 200  # runs at once
SHORTEST_REST = 0.1  # seconds from one text of an answer to the next
LONGEST_REST = 1.0
_RESTS_PER_LAG = 5.0  # a loop that is 50 ms late makes rests 250 ms longer
_MEMORY = 0.05  # how much one measurement counts


class Crowd:
    """The process's one crowd. `lag` is how late the loop lately came back to who rested, in seconds."""

    def __init__(self) -> None:
        self.lag = 0.0

    def rest(self) -> Awaitable[None] | None:
        """What a run waits for before its next text; None: nothing."""
        if len(live_runs) < CROWD:
            self.lag = 0.0
            return None
        return self._rest(min(SHORTEST_REST + _RESTS_PER_LAG * self.lag, LONGEST_REST))

    async def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        self.lag += _MEMORY * (loop.time() - due - self.lag)


crowd = Crowd()
