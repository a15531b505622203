"""How long the storefront takes with ten thousand listings: browsing, shelves, searches right and mistyped, a page.

    python -m bench.store [--listings 10000] [--requests 200] [--json]

Names, descriptions and tags are put together from words as frequent as words are (some in every listing, most in
few). Times are those of whole requests through Django's test client, middlewares, templates and JSON included; CPU is
that of the process and of its PostgreSQL backend together.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.throwaway import throwaway_agent

SEED = 20261121
VOCABULARY = 12_000
ROLES = (
    "guide", "helper", "coach", "tutor", "planner", "assistant", "expert", "writer", "editor", "analyst", "advisor",
    "companion", "translator", "reviewer", "conseiller", "assistante", "rédacteur", "professeur",
)  # fmt: skip
TOPICS = (
    "kitchen", "travel", "garden", "math", "physics", "budget", "contract", "recipe", "fitness", "language", "history",
    "python", "spreadsheet", "marketing", "interview", "wedding", "chess", "music", "startup", "tax", "voyage",
    "cuisine", "jardin", "santé", "école", "français", "entreprise", "juridique",
)  # fmt: skip
SYLLABLES = "ba be bi bo bra cal can cher co cra da del dis du en fa fer fin gar gen gra ha in ja ka la len lis lo ma "
SYLLABLES += "men mi mo na ner no or pa per pli po qua ra ren ri ro sa sen si sol sta ta ter ti to tra un va ven vi za"


def main() -> None:
    options = _parse_arguments()
    with throwaway_agent() as agent:
        words = make_vocabulary()
        begun = time.perf_counter()
        fill_store(agent, words, options.listings)
        filled = time.perf_counter() - begun
        rows = {name: measure(ask, options.requests) for name, ask in requests_to_make(words).items()}
    if options.json:
        json.dump({"listings": options.listings, "filled_s": filled, "requests": rows}, sys.stdout, indent=1)
        return
    print(f"{options.listings} listings, filled in {filled:.0f} s; {options.requests} requests each\n")
    print("| request | P50 ms | P95 ms | max ms | CPU ms | queries |\n|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['p50']:.1f} | {row['p95']:.1f} | {row['max']:.1f} | {row['cpu']:.1f} | {row['queries']} |"
        )


def make_vocabulary() -> list[str]:
    """Words that could be some, the frequent ones first."""
    generator, parts = random.Random(SEED), SYLLABLES.split()
    made = {"".join(generator.choices(parts, k=generator.choice((2, 2, 3, 3, 4)))) for _ in range(2 * VOCABULARY)}
    return [*TOPICS, *ROLES, *sorted(made, key=lambda word: generator.random())][:VOCABULARY]


def fill_store(agent: Any, words: list[str], count: int) -> None:
    """Published listings of agents of one workspace, each indexed by the product's own search."""
    from django.db import connection, transaction

    from store.models import Listing
    from store.ranking import score_ratings, score_trends
    from store.search import index_listing

    generator = random.Random(SEED + 1)
    with transaction.atomic():
        listings = _make_rows(agent, generator, words, count)
        for listing in Listing.objects.filter(pk__in=[row.pk for row in listings]).iterator():
            index_listing(listing)
        score_trends()
        score_ratings()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _make_rows(agent: Any, generator: random.Random, words: list[str], count: int) -> list[Any]:
    from agents.models import Agent
    from store.models import Creator, Listing, ListingDay, Release

    creator = Creator.objects.create(workspace_id=agent.workspace_id, handle="bench", name="Bench")
    agents = [
        Agent(workspace_id=agent.workspace_id, name="x", slug=f"bench-{n}", draft_version=agent.draft_version)
        for n in range(count)
    ]
    Agent.objects.bulk_create(agents, batch_size=1000)
    listings = [_make_listing(creator, row, generator, words, number) for number, row in enumerate(agents)]
    Listing.objects.bulk_create(listings, batch_size=500)
    releases = [Release(listing=listing, number=1, version=agent.draft_version) for listing in listings]
    Release.objects.bulk_create(releases, batch_size=1000)
    for listing, release in zip(listings, releases, strict=True):
        listing.release = release
    Listing.objects.bulk_update(listings, ["release"], batch_size=500)
    today = listings[0].published_at.date()
    used = generator.sample(listings, count // 4)
    ListingDay.objects.bulk_create(
        ListingDay(listing=listing, day=today, uses=generator.randint(1, 500)) for listing in used
    )
    return listings


def _make_listing(creator: Any, agent: Any, generator: random.Random, words: list[str], number: int) -> Any:
    from datetime import timedelta

    from django.utils import timezone

    from store.categories import CATEGORIES
    from store.models import Listing, ListingStatus

    name = f"{generator.choice(TOPICS)} {draw(generator, words, 1)} {generator.choice(ROLES)}".title()
    ratings = generator.choice((0, 0, 1, 4, 40))
    return Listing(
        workspace_id=creator.workspace_id, creator=creator, agent=agent, slug=f"listing-{number}", name=name,
        tagline=draw(generator, words, 8), description=draw(generator, words, 120),
        features=[draw(generator, words, 5)], category=generator.choice(list(CATEGORIES)),
        tags=draw(generator, words, 3).split(), color="#7c3aed", color_2="#06b6d4",
        status=ListingStatus.PUBLISHED, published_at=timezone.now() - timedelta(minutes=number),
        rating_count=ratings, rating_sum=sum(generator.randint(1, 5) for _ in range(ratings)),
    )  # fmt: skip


def draw(generator: random.Random, words: list[str], count: int) -> str:
    """So many words, the frequent ones often: the nth with a chance of about 1/n."""
    return " ".join(words[int(len(words) ** generator.random()) - 1] for _ in range(count))


def requests_to_make(words: list[str]) -> dict[str, Callable[[random.Random], str]]:
    """What is asked for, by name: an address for each request."""
    from store.categories import CATEGORIES

    shelves, rare = list(CATEGORIES), words[200:]
    api = "/api/store/listings?limit=24"
    return {
        "front page": lambda generator: "/store",
        "page of a category": lambda generator: f"/store?category={generator.choice(shelves)}",
        "list, trending": lambda generator: api,
        "list, a category": lambda generator: f"{api}&category={generator.choice(shelves)}&sort=new",
        "search, a frequent word": lambda generator: f"{api}&q={generator.choice(TOPICS)}",
        "search, a rare word": lambda generator: f"{api}&q={generator.choice(rare)}",
        "search, mistyped": lambda generator: f"{api}&q={mistype(generator, generator.choice(rare))}",
        "search, two words, mistyped": lambda generator: (
            f"{api}&q={mistype(generator, generator.choice(TOPICS))}+{mistype(generator, generator.choice(rare))}"
        ),
        "search, one letter": lambda generator: f"{api}&q={generator.choice('abcdeimnprst')}",
        "an agent's page": lambda generator: f"/store/listing-{generator.randrange(1000)}",
        "an agent's page (JSON)": lambda generator: f"/api/store/listings/listing-{generator.randrange(1000)}",
    }


def mistype(generator: random.Random, word: str) -> str:
    """The word with one letter left out, doubled, changed, or swapped with the next."""
    at = generator.randrange(len(word) - 1)
    wrong = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + "x" + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    return generator.choice(wrong)


def measure(ask: Callable[[random.Random], str], count: int) -> dict[str, Any]:
    """Milliseconds of whole requests, and how many queries each made."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client, generator = Client(headers={"user-agent": "Mozilla/5.0 Firefox/140.0"}), random.Random(SEED + 2)
    client.get(ask(generator), headers={"host": "localhost"})
    times, queries = [], set()
    before = cpu_seconds()
    for _ in range(count):
        path = ask(generator)
        begun = time.perf_counter()
        answer = client.get(path, headers={"host": "localhost"})
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    cpu = (cpu_seconds() - before) * 1000 / count
    for _ in range(10):
        with CaptureQueriesContext(connection) as captured:
            client.get(ask(generator), headers={"host": "localhost"})
        queries.add(len(captured))
    times.sort()
    at = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    figures = {name: times[min(int(len(times) * part), len(times) - 1)] for name, part in at.items()}
    return {**figures, "cpu": cpu, "queries": "/".join(map(str, sorted(queries)))}


def cpu_seconds() -> float:
    """What this process and its PostgreSQL backend have used so far: it holds on a busy machine, too."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    ticks = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listings", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
