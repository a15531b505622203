"""Search: accents, prefixes, one wrong letter, and words that nobody needs any more."""

import pytest

from store import search
from store.models import Listing, SearchWord
from store.search import forget_unused_words, is_mistyped, match_listings, shorten, words_of
from store.services import update_listing
from tests.factories import make_workspace
from tests.store.making import make_draft

pytestmark = pytest.mark.django_db


def find(text: str) -> list[str]:
    return [listing.name for listing in match_listings(Listing.objects.all(), text)]


def test_words_have_no_accents_and_no_case():
    assert words_of("L'ÉTÉ à Zürich: œufs & Straße") == ["l", "ete", "a", "zurich", "oeufs", "strasse"]


def test_words_written_without_spaces_are_their_pairs_of_characters():
    assert words_of("AI助手百科 v2") == ["ai", "助手", "手百", "百科", "v2"]
    assert words_of("カメラ") == ["カメ", "メラ"]
    assert words_of("ดีมาก") == ["ดี", "ีม", "มา", "าก"]
    assert words_of("हिन्दी ❤️ 1️⃣ 字") == ["हिनदी", "1", "字"]


@pytest.mark.parametrize(
    "typed", ["旅行", "行計", "計画", "東京旅行", "東京 計画", "画", "京 tokyo", "旅行 Tok", "プランナ"]
)
def test_part_of_a_name_written_without_spaces_is_found(typed):
    make_draft(name="東京旅行計画プランナー", tags=["Tokyo"])
    make_draft(name="京都の料理")
    assert find(typed) == ["東京旅行計画プランナー"]


def test_part_of_a_thai_name_is_found_and_other_characters_are_not():
    make_draft(name="ผู้ช่วยท่องเที่ยว")
    assert find("ท่องเที่ยว") == ["ผู้ช่วยท่องเที่ยว"]
    assert find("ทำอาหาร") == []


@pytest.mark.parametrize("typed", ["recpe", "reecipe", "recipx", "ercipe", "recieps", "ecipe", "recip"])
def test_mistyped_is_one_letter_away(typed):
    assert is_mistyped(typed, "recipes" if typed == "recieps" else "recipe")


def test_a_words_own_and_two_errors_are_no_mistyping():
    assert not is_mistyped("recipe", "recipe")
    assert not is_mistyped("rceiep", "recipe")
    assert not is_mistyped("re", "recipe")


def test_mistypings_share_a_shortened_form():
    for typed in ("recpe", "reecipe", "recipx", "ercipe"):
        assert {typed, *shorten(typed)} & {"recipe", *shorten("recipe")}


@pytest.mark.parametrize("typed", ["voyage", "Voyâge", "voyge", "voyagee", "vouage", "voyaeg", "VOYAG", "ovyage"])
def test_a_name_is_found_with_one_letter_wrong(typed):
    make_draft(name="Voyagé malin")
    make_draft(name="Cuisine du soir")
    assert find(typed) == ["Voyagé malin"]


@pytest.mark.parametrize("typed", ["vyge", "dinosaur", "", "  ", "'", ":*", "a & | ! <-> b", "\\", "x" * 500])
def test_what_is_too_far_or_no_word_finds_nothing_and_breaks_nothing(typed):
    make_draft(name="Voyage malin")
    assert find(typed) == []


def test_all_words_must_be_there_and_each_may_be_mistyped():
    make_draft(name="Garden planner", description="When to sow tomatoes")
    make_draft(name="Garden chairs")
    assert find("gardn tomatos") == ["Garden planner"]


def test_what_is_written_right_comes_before_what_may_have_been_meant():
    workspace = make_workspace()[0]
    make_draft(workspace, name="Booking desk")
    make_draft(workspace, name="Helper", description="All about cooking")
    assert find("cooking") == ["Helper", "Booking desk"]


def test_name_weighs_more_than_description_and_tags_lie_between():
    workspace = make_workspace()[0]
    make_draft(workspace, name="One", description="chess")
    make_draft(workspace, name="Two", tags=["chess"])
    make_draft(workspace, name="Chess coach")
    assert find("chess") == ["Chess coach", "Two", "One"]


def test_the_category_is_found_in_both_languages():
    make_draft(name="Sam", category="education")
    assert find("education") == ["Sam"]


def test_the_last_word_may_be_a_beginning():
    make_draft(name="Mathematics tutor")
    assert find("mathem") == ["Mathematics tutor"]
    assert find("mathem tutor") == []


def test_a_changed_name_is_found_and_the_old_one_is_not():
    listing = make_draft(name="Before")
    update_listing(listing=listing, changes={"name": "Afterwards"})
    assert find("before") == []
    assert find("aftrwards") == ["Afterwards"]


def test_words_that_no_listing_has_are_forgotten():
    listing = make_draft(name="Ephemeral")
    update_listing(listing=listing, changes={"name": "Lasting"})
    assert forget_unused_words() > 0
    words = set(SearchWord.objects.values_list("word", flat=True))
    assert "lasting" in words
    assert "ephemeral" not in words


def test_a_query_costs_two_statements_whatever_it_finds(django_assert_num_queries):
    make_draft(name="Garden one")
    with django_assert_num_queries(2):
        find("gardn")
    make_draft(name="Garden two")
    make_draft(name="Garden three")
    with django_assert_num_queries(2):
        find("gardn")


def test_of_a_word_that_is_everywhere_names_and_what_was_typed_are_not_lost(monkeypatch):
    monkeypatch.setattr(search, "_MOST_RANKED", 2)
    for number in range(4):
        used = make_draft(name=f"Popular {number}", description="garden")
        Listing.objects.filter(pk=used.pk).update(trending_score=10 + number)
    make_draft(name="Garden planner")
    make_draft(name="Odd", description="gardem")

    assert find("gardem")[0] == "Odd"
    assert find("garden")[0] == "Garden planner"
    assert len(find("garden")) < 6
