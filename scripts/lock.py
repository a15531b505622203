#!/usr/bin/env python3
"""Resolve requirements/*.in into locks for every platform and Python ≥ 3.11, each file pinned by hash.

The resolver (uv) lives in an environment of its own under .build; no index address is written into the locks.
overrides.txt leaves out what packages ask for and nobody here imports (torch and its kin, parts of mcp).
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESOLVER = ROOT / ".build" / "resolver"
LOCKS = (("setup.in", "setup.txt", ()), ("base.in", "base.txt", ()), ("dev.in", "dev.txt", ("-c", "base.txt")))


def main() -> None:
    uv = RESOLVER / "bin" / "uv"
    if not uv.exists():
        run(sys.executable, "-m", "venv", str(RESOLVER))
        run(str(RESOLVER / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "uv")
    for source, lock, constraints in LOCKS:
        run(
            str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
            "--no-emit-index-url", "--override", "overrides.txt", *constraints, source, "-o", lock, *sys.argv[1:],
            cwd=ROOT / "requirements",
        )  # fmt: skip


def run(*command: str, cwd: Path = ROOT) -> None:
    result = subprocess.run(command, cwd=cwd, check=False)  # noqa: S603
    if result.returncode:
        sys.exit(result.returncode)


if __name__ == "__main__":
    main()
