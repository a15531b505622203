"""The demo model answers questions about small documents: the right sentence, short, cited, in the right language."""

import pytest

from llm.providers import offline
from llm.providers.offline import compose_answer
from llm.types import ChatMessage, ChatRequest, Endpoint, Finished, ModelEvent, Passage, TextDelta, Usage

SHOP_EN = [
    """# Returns and refunds

You may return any item within 30 days of delivery. Items must be unused and in their original packaging. Sale items can
be exchanged but not refunded.

## How do I start a return?
Sign in, open Orders and choose Return. We e-mail you a prepaid label. Drop the parcel at any post office.

## Refunds
We refund your original payment method within 5 working days after we receive the parcel. Shipping costs are not
refunded unless the item is faulty.""",
    """# Delivery
Standard delivery takes 3 to 5 working days and costs 4.90 EUR. Express delivery takes 1 day and costs 9.90 EUR. Orders
over 60 EUR ship free.

# Contact
Write to help@shop.example or call +33 1 23 45 67 89, Monday to Friday from 9:00 to 18:00.

# Warranty
All our appliances have a two-year warranty. It does not cover damage caused by misuse.""",
]
SHOP_FR = [
    """Politique de retour

Vous disposez de 30 jours à compter de la livraison pour retourner un article. L'article doit être neuf et dans son
emballage d'origine. Les articles soldés sont échangeables mais non remboursables.

Q : Quand serai-je remboursé ?
R : Le remboursement est effectué sur votre moyen de paiement sous 5 jours ouvrés après réception du colis.

Q : Les frais de retour sont-ils à ma charge ?
R : Non, nous vous envoyons une étiquette prépayée. Les frais de port initiaux ne sont pas remboursés.""",
    """Livraison
La livraison standard prend 3 à 5 jours et coûte 4,90 €. La livraison express arrive le lendemain pour 9,90 €. La
livraison est offerte dès 60 € d'achat.

Horaires
La boutique est ouverte du mardi au samedi de 10 h à 19 h. Elle est fermée les jours fériés.

Pour nous joindre : écrivez à aide@boutique.example ou appelez le 01 23 45 67 89.

Les documents à fournir pour une garantie :
- la facture d'achat
- une photo du défaut
- le numéro de série""",
]
SECTIONS_FR = [
    """# Retours, échanges et remboursements

Cette page vaut pour toutes les commandes.

## Délai de retour

Vous disposez de 30 jours à compter de la livraison pour retourner un article. Un article soldé se retourne sous 14
jours. Les articles personnalisés ne sont ni repris ni échangés.

## État des articles

L'article doit être propre, non porté en extérieur et accompagné de ses étiquettes.""",
]
HANDBOOK_EN = [
    """Employee handbook

Annual leave: every employee has 25 days of paid leave a year. Leave is requested in the HR portal at least two weeks
ahead. Up to 5 days can be carried over to the next year.

Remote work: you may work from home up to three days a week. Your manager must agree in writing.""",
    """Expenses: keep the receipts. Meals are reimbursed up to 25 EUR a day when you travel. Submit the form before the
5th of the following month.

Sick leave: tell your manager before 10 am on the first day. A doctor's note is required from the third day.""",
]
MANUAL_FR = [
    """Machine à café Aroma 200 : mode d'emploi

Mise en service. Remplissez le réservoir d'eau froide jusqu'au repère MAX. Branchez l'appareil et appuyez sur le bouton
marche pendant 2 secondes.

Détartrage. Détartrez la machine tous les trois mois. Versez 100 ml de vinaigre blanc et 500 ml d'eau dans le réservoir,
puis lancez le programme Clean.""",
    """Pannes. Le voyant rouge clignote : le réservoir est vide. Le voyant orange est fixe : il faut détartrer la
machine. Le café est froid : préchauffez la tasse et vérifiez que le thermostat est réglé sur 90 °C.

Caractéristiques. La puissance est de 1450 W. Le réservoir contient 1,8 litre. Le poids est de 3,2 kg.""",
]
PRICES = ["plan;price per month;agents;messages\nFree;0 EUR;1;100\nPro;29 EUR;10;5000\nTeam;99 EUR;50;50000"]


def ask(question: str, documents: list[str], language: str = "auto") -> str:
    passages = tuple(
        Passage(number, "d", "file.md", None, content, 1.0 / number, f"c{number}")
        for number, content in enumerate(documents, 1)
    )
    messages = [ChatMessage("system", "Be helpful."), ChatMessage("user", question)]
    return compose_answer(ChatRequest(messages, 0.3, 500, passages, language, question))


@pytest.mark.parametrize(
    ("documents", "question", "expected", "mark"),
    [
        (SECTIONS_FR, "Quel est le délai de retour ?", "Vous disposez de 30 jours", 1),
        (SECTIONS_FR, "Quel est le délai de retour pour un article soldé ?", "14 jours", 1),
        (SHOP_EN, "How long do I have to return an item?", "within 30 days", 1),
        (SHOP_EN, "Can I return sale items?", "exchanged but not refunded", 1),
        (SHOP_EN, "How do I start a return?", "open Orders and choose Return", 1),
        (SHOP_EN, "When will I get my refund?", "within 5 working days", 1),
        (SHOP_EN, "are shipping costs refunded?", "Shipping costs are not refunded", 1),
        (SHOP_EN, "how much is express shipping", "9.90 EUR", 2),
        (SHOP_EN, "How long does standard delivery take?", "3 to 5 working days", 2),
        (SHOP_EN, "When is delivery free?", "over 60 EUR", 2),
        (SHOP_EN, "What's your phone number?", "+33 1 23 45 67 89", 2),
        (SHOP_EN, "How can I contact you by e-mail?", "help@shop.example", 2),
        (SHOP_EN, "Do you have a warranty?", "two-year warranty", 2),
        (SHOP_EN, "does the guarantee cover misuse?", "does not cover damage caused by misuse", 2),
        (SHOP_FR, "Combien de temps ai-je pour retourner un article ?", "30 jours", 1),
        (SHOP_FR, "Quand serai-je remboursé ?", "sous 5 jours ouvrés", 1),
        (SHOP_FR, "Puis-je me faire rembourser un article soldé ?", "non remboursables", 1),
        (SHOP_FR, "Les frais de retour sont à qui ?", "étiquette prépayée", 1),
        (SHOP_FR, "Combien coûte la livraison express ?", "9,90 €", 2),
        (SHOP_FR, "À partir de combien la livraison est-elle gratuite ?", "dès 60 €", 2),
        (SHOP_FR, "Quels sont vos horaires d'ouverture ?", "de 10 h à 19 h", 2),
        (SHOP_FR, "Comment vous contacter ?", "aide@boutique.example", 2),
        (SHOP_FR, "Quels documents faut-il pour la garantie ?", "- le numéro de série", 2),
        (HANDBOOK_EN, "How many days of annual leave do I get?", "25 days", 1),
        (HANDBOOK_EN, "Can I carry leave over to next year?", "Up to 5 days", 1),
        (HANDBOOK_EN, "Can I work from home?", "three days a week", 1),
        (HANDBOOK_EN, "When do I need a doctor's note?", "from the third day", 2),
        (HANDBOOK_EN, "What is the limit for meals when I travel?", "25 EUR a day", 2),
        (MANUAL_FR, "Comment détartrer la machine ?", "vinaigre blanc", 1),
        (MANUAL_FR, "Tous les combien faut-il détartrer ?", "tous les trois mois", 1),
        (MANUAL_FR, "Que veut dire le voyant rouge ?", "le réservoir est vide", 2),
        (MANUAL_FR, "Quelle est la puissance ?", "1450 W", 2),
        (MANUAL_FR, "combien de litres contient le réservoir", "1,8 litre", 2),
        (PRICES, "How much is the Pro plan?", "29 EUR", 1),
    ],
)
def test_compose_answer_begins_with_the_right_sentence(
    documents: list[str], question: str, expected: str, mark: int
) -> None:
    answer = ask(question, documents)
    assert expected in answer
    assert f"[{mark}]" in answer
    assert len(answer) < 480
    assert "demo" not in answer.lower()


@pytest.mark.parametrize(
    ("documents", "question", "words"),
    [
        (SHOP_EN, "Who is the president of France?", "I am the demo model"),
        (SHOP_EN, "What colour are the walls?", "Connect a model in Settings"),
        (SHOP_FR, "Quelle est la capitale du Pérou ?", "Je suis le modèle de démonstration"),
        ([], "What is the deadline?", "I am the demo model: I can only quote this agent's documents"),
        ([], "Quel est le délai ?", "connectez un modèle"),
    ],
)
def test_compose_answer_without_an_answer_says_what_it_is(documents: list[str], question: str, words: str) -> None:
    answer = ask(question, documents)
    assert words in answer
    assert "[1]" not in answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("hello", "Hello!"), ("Hi there!", "Hello!"), ("Bonjour", "Bonjour !"), ("Salut, comment ça va ?", "Bonjour !"),
        ("thanks a lot", "You are welcome."), ("Merci beaucoup !", "Je vous en prie."),
    ],
)  # fmt: skip
def test_compose_answer_is_polite(said: str, answer: str) -> None:
    assert ask(said, SHOP_EN).startswith(answer)


def test_compose_answer_to_a_greeting_with_a_question_answers_it() -> None:
    assert "9.90 EUR" in ask("Hello, how much does express delivery cost?", SHOP_EN)


def test_compose_answer_speaks_the_language_that_the_agent_is_set_to() -> None:
    assert ask("Who is the president?", SHOP_EN, language="fr").startswith("Je n'ai rien trouvé")


def test_compose_answer_does_not_say_the_same_twice() -> None:
    answer = ask("How long do I have to return an item?", [SHOP_EN[0], SHOP_EN[0]])
    assert answer.count("within 30 days") == 1


def test_compose_answer_is_deterministic() -> None:
    assert len({ask("When will I get my refund?", SHOP_EN) for _ in range(5)}) == 1


def test_compose_answer_falls_back_to_the_last_message() -> None:
    passages = (Passage(1, "d", "f", None, SHOP_EN[1], 1.0, "c"),)
    messages = [ChatMessage("user", "How much is express delivery?")]
    assert "9.90 EUR" in compose_answer(ChatRequest(messages, 0.3, 500, passages))


@pytest.mark.parametrize("question", ["", "???", "a", "😀", "\u202e", "x" * 10_000, "le la les"])
def test_compose_answer_bears_any_question(question: str) -> None:
    assert ask(question, SHOP_EN)
    assert ask(question, [""])


@pytest.mark.parametrize("content", ["", "\n\n", "#", "|---|---|", "- \n- ", "?", "word", "a" * 5_000, "1. \n2) x"])
def test_compose_answer_bears_any_passage(content: str) -> None:
    assert ask("What is the word?", [content])


async def test_stream_chat_goes_word_by_word_and_ends_like_any_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "WORD_DELAY", 0)
    endpoint = Endpoint("offline", "", "", "offline", True, "offline")
    request = ChatRequest([ChatMessage("user", "hello")], 0.3, 500, question="hello")
    batches: list[list[ModelEvent]] = [batch async for batch in offline.stream_chat(endpoint, request)]
    texts = [event.text for batch in batches for event in batch if isinstance(event, TextDelta)]
    assert len(texts) > 5
    assert "".join(texts) == compose_answer(request)
    assert batches[-1] == [Usage(2, 14), Finished("stop")]
