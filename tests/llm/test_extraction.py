import pytest

from llm.extraction import extract_answer
from llm.types import Passage

ROWS = """Pays: France; Mode: Domicile; Délai (jours ouvrés): 2; Prix: 5,90 €; Gratuit dès: 80 €
Pays: France; Mode: Express avant 13 h; Délai (jours ouvrés): 1; Prix: 12,90 €; Gratuit dès: jamais
Pays: Suisse; Mode: Domicile; Délai (jours ouvrés): 5; Prix: 14,90 €; Gratuit dès: 200 €"""
PAGE = "Les frais de livraison initiaux sont remboursés si toute la commande est retournée."


def passage(index: int, filename: str, content: str) -> Passage:
    return Passage(index, "document", filename, None, content, 0.9, f"chunk{index}")


@pytest.mark.parametrize(
    ("question", "row"),
    [("Combien coûte la livraison express en France ?", 1), ("Quel est le prix de la livraison en Suisse ?", 2)],
)
def test_table_answers_with_one_row_and_its_file_name_counts_as_its_heading(question, row):
    passages = [passage(1, "conditions-de-retour.md", PAGE), passage(2, "livraison.csv", ROWS)]
    quotes = extract_answer(question, passages, "fr")
    assert [(quote.text, quote.index) for quote in quotes] == [(ROWS.splitlines()[row], 2)]
