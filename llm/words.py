"""Words in French and English for the demo model: folding, stems, stop words, a few synonyms."""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

_WORD = re.compile(r"[^\W_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP_EN = _words(
    "a about after all also am an and any are as at be because been before being between both but by can could did do "
    "does doing down during each exactly few for from further get give had has have having he her here hers him his "
    "how i if in into is it its just know let like long many may me mean might more most much must my need no nor not "
    "of off on once only or other our out over own please same shall she should so some such tell than that the their "
    "them then there these they this those through to too under until up us very want was we were what when where "
    "which while who whom whose why will with would you your yours t s d ll m re ve don back lot there"
)
_STOP_FR = _words(
    "a ai ait alors apres as au aucun aura aussi autre aux avait avant avec avez avoir ayant c ca car ce cela ces cet "
    "cette ceux chaque chez ci combien comme comment connaitre d dans de depuis des dire dis dites dit dois doit donc "
    "dont du elle elles en encore entre es est et etaient etait etant ete etes etre eu eux faire fait faites faut il "
    "ils j je jusqu l la laquelle le lequel les lesquels leur leurs lui m ma mais me meme mes moi mon n ne nos notre "
    "nous on ont ou par parce pas peut peuvent peux plus pour pourquoi pouvez pouvoir puis puisje quand que quel "
    "quelle quelles quels qui quoi s sa sans savoir se sera ses si sont sous suis sur t ta te tes toi ton tous tout "
    "toute toutes tres tu un une veux voudrais vos votre vous y quelque quelques svp plait"
)
_ONLY_EN = (_STOP_EN - _STOP_FR) | {"hello", "hi", "hey", "thanks", "thank", "good"}
_ONLY_FR = (_STOP_FR - _STOP_EN) | {"bonjour", "bonsoir", "salut", "coucou", "merci"}
_STEMMERS = {"en": snowballstemmer.stemmer("english"), "fr": snowballstemmer.stemmer("french")}

# what people ask with one word and documents say with another
_SYNONYMS = (
    "refund reimburse money return",
    "price cost fee charge pay tariff rate expensive",
    "open opening hour hours schedule close",
    "delivery deliver ship shipping dispatch",
    "contact reach email phone telephone call",
    "cancel cancellation terminate withdraw",
    "warranty guarantee",
    "deadline term period delay limit",
    "holiday vacation leave",
    "address location located",
    "broken defective damaged faulty",
    "buy purchase order",
    "remboursement rembourser retour retourner argent",
    "prix cout couter tarif frais payer paie paye montant cher",
    "ouvert ouverture ouvrir horaire heure fermer",
    "livraison livrer expedier expedition envoi envoyer",
    "contacter joindre email courriel telephone appeler",
    "annuler annulation resilier resiliation retractation",
    "garantie garantir",
    "delai duree echeance limite",
    "conge vacances",
    "adresse situe trouver lieu",
    "casse defectueux endommage abime panne",
    "acheter achat commande commander",
    "gratuit offert",
    "free complimentary",
)


def fold(text: str) -> str:
    """Lower case, without accents: "Été" → "ete", "œuvre" → "oeuvre"."""
    text = text.lower().replace("œ", "oe").replace("æ", "ae").replace("e-mail", "email")
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def terms_of(text: str, language: str) -> list[str]:
    """The stems of the words that carry meaning, in their order."""
    return [stem(word, language) for word in _WORD.findall(fold(text)) if not _is_stop(word)]


def detect_language(text: str, default: str = "en") -> str:
    """ "fr" or "en", by the stop words; accents count as French."""
    words = _WORD.findall(fold(text))
    french = sum(word in _ONLY_FR for word in words) + 0.5 * any(c in "éèêàùçœîôû" for c in text.lower())
    english = sum(word in _ONLY_EN for word in words)
    if french == english:
        return default
    return "fr" if french > english else "en"


@lru_cache(maxsize=20_000)
def stem(word: str, language: str) -> str:
    """The stem of a folded word; numbers stay as they are."""
    return word if word.isdigit() else str(_STEMMERS[language].stemWord(word))


@lru_cache(maxsize=2)
def synonyms(language: str) -> dict[str, frozenset[str]]:
    """Stem → the stems that mean about the same."""
    table: dict[str, set[str]] = {}
    for group in _SYNONYMS:
        stems = {stem(word, language) for word in group.split()}
        for one in stems:
            table.setdefault(one, set()).update(stems - {one})
    return {one: frozenset(others) for one, others in table.items()}


def _is_stop(word: str) -> bool:
    return word in _STOP_EN or word in _STOP_FR
