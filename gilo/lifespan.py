"""Start and stop what lives as long as the web process: `on_startup` and `on_shutdown` hooks of the apps."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]
startup_hooks: list[Hook] = []
shutdown_hooks: list[Hook] = []
# called when the process takes no more connections, while those in flight still have theirs
ending_hooks: list[Callable[[], None]] = []


class Lifespan:
    """ASGI's lifespan protocol around an application."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
            return
        while True:
            message = await receive()
            hooks = startup_hooks if message["type"] == "lifespan.startup" else shutdown_hooks
            try:
                for hook in hooks:
                    await hook()
            except Exception as error:  # the server must hear of any failure, whatever it is
                logger.exception("%s failed", message["type"])
                await send({"type": f"{message['type']}.failed", "message": str(error)})
                return
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
