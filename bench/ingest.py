"""How fast a PDF becomes searchable, and what memory that takes.

    python -m bench.ingest FILE.pdf [--json]

Reads, chunks, embeds and stores the file through the product's own worker code. Memory is the peak resident size of
this process and of the parser's child; the model is loaded before the clock starts.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from bench.throwaway import throwaway_agent


def main() -> None:
    options = _parse_arguments()
    with throwaway_agent() as agent:
        row = measure(agent, options.file)
    if options.json:
        json.dump(row, sys.stdout, indent=1)
        return
    print(
        "| pages | chunks | seconds | pages/s | of it reading s | peak MB | parser's peak MB |\n"
        "|---|---|---|---|---|---|---|"
    )
    print(
        f"| {row['pages']} | {row['chunks']} | {row['seconds']:.1f} | {row['pages_per_second']:.1f} "
        f"| {row['reading_seconds']:.2f} | {row['peak_mb']:.0f} | {row['parser_peak_mb']:.0f} |"
    )


def measure(agent: Any, path: Path) -> dict[str, float]:
    from django.core.files.base import File

    from accounts.models import Role
    from accounts.permissions import Principal
    from knowledge import processing, services, tasks
    from knowledge.embedding import get_embedder

    services.wake_worker = tasks.wake_worker = lambda: None  # the work is done here, below
    reading = _time_reading(path)
    parser_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # before the model: a fork counts too
    get_embedder().embed(["warm"])
    principal = Principal(workspace_id=agent.workspace_id, role=Role.OWNER)
    with path.open("rb") as file:
        document = services.add_document(principal=principal, agent=agent, name=path.name, file=File(file))
    begun = time.perf_counter()
    processing.process_next()
    seconds = time.perf_counter() - begun
    document.refresh_from_db()
    assert document.status == "ready", (document.status, document.error_code, document.error_message)
    return {
        "pages": document.page_count,
        "chunks": document.chunk_count,
        "seconds": seconds,
        "pages_per_second": document.page_count / seconds,
        "reading_seconds": reading,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "parser_peak_mb": parser_peak,
    }


def _time_reading(path: Path) -> float:
    from knowledge.parsing import parse_file

    begun = time.perf_counter()
    with parse_file(path, "pdf", while_waiting=lambda: None) as sections:
        assert list(sections)
    return time.perf_counter() - begun


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
