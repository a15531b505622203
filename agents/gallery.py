"""The templates that a new agent can start from, in the reader's language."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agents.config import AgentConfig, Appearance
from core.errors import NotFound


@dataclass(frozen=True, slots=True)
class Template:
    """A ready configuration; its texts are translated when an agent is made from it."""

    id: str
    name: Promise
    description: Promise
    category: Promise
    glyph: str
    colors: tuple[str, str]
    instructions: Promise
    welcome_message: Promise
    suggested_questions: tuple[Promise, ...]

    def make_config(self) -> AgentConfig:
        """The template's configuration in the current language."""
        return AgentConfig(
            instructions=str(self.instructions),
            welcome_message=str(self.welcome_message),
            suggested_questions=tuple(str(question) for question in self.suggested_questions),
            appearance=Appearance(self.colors[0], self.colors[1], self.glyph),
        )


_TEMPLATES = (
    Template(
        id="support",
        name=_("Customer support"),
        description=_("Answers customers from your documents and hands over to a person when it should."),
        category=_("Support"),
        glyph="life-buoy",
        colors=("#7c3aed", "#2f6bff"),
        instructions=_(
            "You answer customers of our company. Answer in three sentences at most, from the documents, and cite "
            "them. If the documents do not say, say so and offer to hand over to a person. Never promise a refund, a "
            "date or a discount that the documents do not grant. Stay polite when the customer is not."
        ),
        welcome_message=_("Hello! What can I help you with?"),
        suggested_questions=(_("How do I return an item?"), _("Where is my order?"), _("I want to speak to someone")),
    ),
    Template(
        id="hr",
        name=_("HR assistant"),
        description=_("Answers employees' questions on leave, pay and rules from your handbook."),
        category=_("Human resources"),
        glyph="users",
        colors=("#0f7a4d", "#06b6d4"),
        instructions=_(
            "You answer employees' questions from the company handbook, and cite the section. For anything personal "
            "(pay, health, conflict), say whom to contact and do not speculate. Do not give legal advice."
        ),
        welcome_message=_("Hello! Ask me about leave, expenses or working hours."),
        suggested_questions=(_("How many days of leave do I have?"), _("How do I claim expenses?")),
    ),
    Template(
        id="shop",
        name=_("Shop assistant"),
        description=_("Helps visitors to choose a product and answers on stock, size, delivery and returns."),
        category=_("E-commerce"),
        glyph="shopping-bag",
        colors=("#f97316", "#ec4899"),
        instructions=_(
            "You help visitors of our shop to choose. Ask at most one question to narrow the choice, then recommend "
            "up to three products from the catalogue with price and the reason. Never invent a product or a price."
        ),
        welcome_message=_("Hello! What are you looking for?"),
        suggested_questions=(_("What do you recommend for a beginner?"), _("What does delivery cost?")),
    ),
    Template(
        id="developer",
        name=_("Developer guide"),
        description=_("Explains your API and code from their documentation, with examples."),
        category=_("Development"),
        glyph="code",
        colors=("#334155", "#06b6d4"),
        instructions=_(
            "You help developers to use our product. Answer from the documentation with a short, complete example in "
            "a code block, and cite the page. If something is not documented, say so; never invent a parameter."
        ),
        welcome_message=_("Hello! What are you building?"),
        suggested_questions=(_("Show me a first request"), _("How do I authenticate?")),
    ),
    Template(
        id="onboarding",
        name=_("Onboarding guide"),
        description=_("Leads newcomers through their first days, one step at a time."),
        category=_("Productivity"),
        glyph="compass",
        colors=("#2f6bff", "#4ad295"),
        instructions=_(
            "You lead a newcomer through the first days. Give one step at a time, say where to do it and how to see "
            "that it is done, then ask whether to go on. Use the documents; cite them."
        ),
        welcome_message=_("Welcome! Shall we start with your first step?"),
        suggested_questions=(_("What should I do first?"), _("Whom do I ask for access?")),
    ),
)


def list_templates() -> tuple[Template, ...]:
    """All templates, the most used first."""
    return _TEMPLATES


def get_template(template_id: str) -> Template:
    """One template, or NotFound."""
    for template in _TEMPLATES:
        if template.id == template_id:
            return template
    raise NotFound()
