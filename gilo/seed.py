"""The demo user and three sample agents with real knowledge, made once on a machine that nobody has set up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils import translation

from accounts.models import User
from accounts.permissions import Principal
from accounts.selectors import principal_of
from accounts.services import register_user
from agents.config import AgentConfig, Appearance
from agents.gallery import get_template
from agents.models import Agent
from agents.services import create_agent, deploy_agent
from gilo.demo import open_landing_demo
from knowledge.services import add_document
from store.models import Payer, RemixPolicy
from store.services import create_listing, publish_listing

_DOCUMENTS = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample agent: its configuration and the documents that it knows."""

    name: str
    description: str
    config: AgentConfig
    documents: tuple[str, ...]
    listing: dict[str, Any]  # what it says of itself in the store
    on_landing_page: bool = False


def seed_demo() -> None:
    """Make the demo user with the samples, unless the user exists: what was deleted since does not come back."""
    if User.objects.filter(email=settings.DEMO_EMAIL).exists():
        return
    with transaction.atomic():
        user = register_user(email=settings.DEMO_EMAIL, password=settings.DEMO_PASSWORD, name="Camille", verified=True)
        principal = principal_of(user)
        if principal is None:
            raise RuntimeError("the demo user has no workspace")
        for sample in reversed(_samples()):  # the newest comes first in lists
            _create_sample(sample, user, principal)


def _create_sample(sample: Sample, user: User, principal: Principal) -> None:
    agent = create_agent(
        workspace_id=principal.workspace_id,
        actor=user,
        name=sample.name,
        description=sample.description,
        config=sample.config,
    )
    deploy_agent(agent=agent)
    for name in sample.documents:
        _add_document(name, agent, principal)
    if sample.on_landing_page:
        open_landing_demo(agent)
    listing = create_listing(agent=agent, name=sample.name, tagline=sample.description, **sample.listing)
    publish_listing(listing=listing, actor=user, with_unread=True)


def _add_document(name: str, agent: Agent, principal: Principal) -> None:
    with (_DOCUMENTS / name).open("rb") as file:
        add_document(principal=principal, agent=agent, name=name, file=File(file, name=name))


def _samples() -> tuple[Sample, ...]:
    return (_make_support_sample(), _make_hr_sample(), _make_guide_sample())


def _make_support_sample() -> Sample:
    with translation.override("fr"):
        template = get_template("support").make_config()
    return Sample(
        name="Support Atelier Nord",
        description="Répond aux clients de la boutique\u00a0: retours, livraison, garantie.",
        config=AgentConfig(
            instructions=template.instructions,
            welcome_message="Bonjour\u202f! Une question sur votre commande, un retour ou une livraison\u202f?",
            suggested_questions=(
                "Quel est le délai de retour pour un article soldé\u202f?",
                "Combien coûte la livraison express en France\u202f?",
                "Combien de temps les sacs à dos sont-ils garantis\u202f?",
            ),
            language="fr",
            appearance=Appearance("#f97316", "#ec4899", "life-buoy"),
        ),
        documents=("conditions-de-retour.md", "livraison.csv"),
        listing={
            "description": "Un exemple d\u2019agent de service client. Il répond à partir de deux documents "
            "d\u2019une boutique imaginaire et cite le passage\u00a0; ce qu\u2019ils ne disent pas, "
            "il ne l\u2019invente pas.",
            "features": ["Répond en français", "Cite les conditions de retour et la grille de livraison"],
            "category": "support",
            "tags": ["retours", "livraison", "exemple"],
            "remix_policy": RemixPolicy.KNOWLEDGE,
            "visitors_paid_by": Payer.CREATOR,
        },
    )


def _make_hr_sample() -> Sample:
    with translation.override("en"):
        template = get_template("hr").make_config()
    return Sample(
        name="Northwind HR",
        description="Answers employees from the handbook: leave, expenses, remote work.",
        config=AgentConfig(
            instructions=template.instructions,
            welcome_message="Hello! Ask me about leave, expenses or working hours.",
            suggested_questions=(
                "How many days of annual leave do I have?",
                "How many days a week may I work from home?",
                "What is the limit for a hotel on a business trip?",
            ),
            language="en",
            appearance=template.appearance,
        ),
        documents=("employee-handbook.md",),
        listing={
            "description": "A sample agent for employees. It answers from the handbook of a company that does not "
            "exist, and cites the section. Remix it and put your own handbook in its place.",
            "features": ["Answers in English", "Cites the handbook's sections"],
            "category": "business",
            "tags": ["leave", "expenses", "sample"],
            "remix_policy": RemixPolicy.KNOWLEDGE,
            "visitors_paid_by": Payer.CREATOR,
        },
    )


def _make_guide_sample() -> Sample:
    return Sample(
        name="GiLo guide",
        description="Explains GiLo itself: agents, knowledge, models, deployment.",
        config=AgentConfig(
            instructions=(
                "You explain GiLo to people who are new to it. Answer in a few sentences, in the language of the "
                "question, from the guide, and cite it. If the guide does not say, say so."
            ),
            welcome_message="Hello! Ask me anything about GiLo.",
            suggested_questions=(
                "How do I build my first agent?",
                "Which file formats can an agent read?",
                "How do I connect a model?",
            ),
            appearance=Appearance("#7c3aed", "#06b6d4", "compass"),
        ),
        documents=("gilo-guide.md", "guide-de-gilo.md"),
        listing={
            "description": "Everything about building agents with GiLo, from its own guide, in English and in French: "
            "models, documents, deployment, limits.",
            "features": ["Answers in English and in French", "Cites the guide"],
            "category": "education",
            "tags": ["gilo", "guide", "sample"],
            "remix_policy": RemixPolicy.CONFIG,
            "visitors_paid_by": Payer.CREATOR,
        },
        on_landing_page=True,
    )
