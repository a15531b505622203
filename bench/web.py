"""One web process as `manage.py start` serves it, without database, seed and worker: `python -m bench.web PORT`."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gilo.settings")

import django

django.setup()

from bench import limits  # noqa: E402, F401 - the plan must be there
from gilo.server import bind, serve  # noqa: E402
from gilo.shutdown import Shutdown  # noqa: E402

if __name__ == "__main__":
    with Shutdown() as shutdown:
        serve(bind("127.0.0.1", int(sys.argv[1])), shutdown, lambda: None)
