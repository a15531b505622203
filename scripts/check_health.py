"""Exit 0 when this container's server is ready: the Dockerfile's HEALTHCHECK. Standard library only, so it is quick."""

import os
import sys
import urllib.error
import urllib.request

# The server listens without TLS behind its proxy; the name is one that it always accepts.
request = urllib.request.Request(
    f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/api/health", headers={"Host": "localhost"}
)
try:
    with urllib.request.urlopen(request, timeout=4) as answer:  # noqa: S310 - a fixed http address
        sys.exit(0 if answer.status == 200 else 1)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"not ready: {error}")
