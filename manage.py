#!/usr/bin/env python
"""Django's command line; `python manage.py start` runs the whole product."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gilo.settings")
    try:
        from django.core.management import execute_from_command_line  # after the settings module is named

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit("Stopped.")


if __name__ == "__main__":
    main()
