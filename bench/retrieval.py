"""How often the right passage is found: full text alone, vectors alone, both together.

    python -m bench.retrieval PATH/xquad.en.json [--json]

Each passage of the SQuAD-like file is stored as a document of one agent through the product's own code; each question
is asked by the product's own search. Prints recall@1, recall@5 and the mean reciprocal rank.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.throwaway import throwaway_agent

MODES = ("words", "vectors", "hybrid")
DEPTH = 50


def main() -> None:
    options = _parse_arguments()
    passages, questions = read_dataset(options.dataset)
    with throwaway_agent() as agent:
        numbers = store_passages(agent, passages)
        rows = {mode: measure(agent, questions, numbers, mode) for mode in MODES}
    if options.json:
        json.dump({"passages": len(passages), "questions": len(questions), "modes": rows}, sys.stdout, indent=1)
        return
    print(f"{len(passages)} passages, {len(questions)} questions\n")
    print("| search | recall@1 | recall@5 | MRR |\n|---|---|---|---|")
    for mode, row in rows.items():
        print(f"| {mode} | {row['recall@1']:.4f} | {row['recall@5']:.4f} | {row['mrr']:.4f} |")


def read_dataset(path: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """The passages, and each question with the number of its passage."""
    passages: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            questions.extend((item["question"], len(passages)) for item in paragraph["qas"])
            passages.append(paragraph["context"])
    return passages, questions


def store_passages(agent: Any, passages: list[str]) -> dict[str, int]:
    """Upload each passage and let the worker's code process it; document id → number of the passage."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    from accounts.models import Role
    from accounts.permissions import Principal
    from knowledge import processing, services, tasks
    from knowledge.models import Document

    services.wake_worker = tasks.wake_worker = lambda: None  # the work is done here, below
    principal = Principal(workspace_id=agent.workspace_id, role=Role.OWNER)
    numbers = {}
    for number, passage in enumerate(passages):
        file = SimpleUploadedFile(f"{number}.txt", passage.encode())
        document = services.add_document(principal=principal, agent=agent, name=f"{number}.txt", file=file)
        numbers[str(document.pk)] = number
    while processing.process_next():
        pass
    assert not Document.objects.exclude(status="ready").exists()
    return numbers


def measure(agent: Any, questions: list[tuple[str, int]], numbers: dict[str, int], mode: str) -> dict[str, float]:
    """Recall and mean reciprocal rank of one way to search. A passage's rank is that of its first chunk."""
    from knowledge.retrieval import search

    ranks = []
    for question, wanted in questions:
        found = search(agent.pk, question, DEPTH, mode=mode)
        order = list(dict.fromkeys(numbers[passage.document_id] for passage in found))
        ranks.append(order.index(wanted) + 1 if wanted in order else None)
    count = len(ranks)
    return {
        "recall@1": sum(rank == 1 for rank in ranks) / count,
        "recall@5": sum(rank is not None and rank <= 5 for rank in ranks) / count,
        "mrr": sum(1 / rank for rank in ranks if rank) / count,
    }


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
