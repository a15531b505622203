"""The ASGI application: the hot path's raw endpoints first, then Django for everything else."""

import os
import re
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gilo.settings")

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

django.setup(set_prefix=False)

from chat import lifecycle  # noqa: E402 - needs the loaded apps
from chat.routing import http_routes, websocket_routes  # noqa: E402
from chat.transports.websocket import unknown_socket  # noqa: E402
from core.body_limit import BodyLimit  # noqa: E402
from gilo.django_door import DjangoDoor  # noqa: E402
from gilo.lifespan import Lifespan, ending_hooks, shutdown_hooks, startup_hooks  # noqa: E402
from gilo.own_hosts import OwnHosts  # noqa: E402
from gilo.raw_router import RawRouter  # noqa: E402

startup_hooks.append(lifecycle.start)
ending_hooks.append(lifecycle.begin_ending)
shutdown_hooks.append(lifecycle.stop)

_FORM_BYTES = 256 * 1024  # what multipart adds around the file
_UPLOADS = [(re.compile(r"/api/agents/[^/]+/knowledge"), settings.MAX_UPLOAD_BYTES + _FORM_BYTES)]

everything_else: Any = BodyLimit(DjangoDoor(), routes=_UPLOADS)  # an ASGI application, not a view
every_door = ProtocolTypeRouter(
    {
        "http": RawRouter(http_routes, everything_else),
        "websocket": URLRouter(websocket_routes),
    }
)
application = Lifespan(OwnHosts(every_door, {"http": everything_else, "websocket": unknown_socket}))
