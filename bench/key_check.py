"""How long it takes to know whose API key it is: looked up in PostgreSQL, and from the half-second cache.

python -m bench.key_check
"""

import asyncio
import statistics
import time
from collections.abc import Callable

from bench.throwaway import throwaway_agent

COUNT = 2_000


def main() -> None:
    with throwaway_agent() as agent:
        from agents.services import create_api_key, save_config

        save_config(agent=agent, actor=None, changes={"temperature": 0.5}, expected_version=None)
        _, token = create_api_key(agent=agent, actor=None, name="benchmark")
        asyncio.run(measure(token))


async def measure(token: str) -> None:
    from agents.keys import forget_keys, resolve_key
    from core.async_db import close_pool, open_pool

    await open_pool()
    assert await resolve_key(token)
    for name, prepare in (("looked up", forget_keys), ("cached", None)):
        times = [await time_once(resolve_key, token, prepare) for _ in range(COUNT)]
        times.sort()
        print(f"key {name}: P50 {statistics.median(times):.3f} ms, P95 {times[int(COUNT * 0.95)]:.3f} ms")
    await close_pool()


async def time_once(check: Callable, token: str, prepare: Callable[[], None] | None) -> float:
    """Milliseconds of one check."""
    if prepare:
        prepare()
    begun = time.perf_counter()
    await check(token)
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main()
