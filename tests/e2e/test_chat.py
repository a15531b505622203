"""The playground: streams, survives reloads and faults, stops, answers again, and never runs what a model says."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.conftest import Visit, Visitor, answer, ask, create_agent, sign_up

SLOW = "WORDS:60 DELAY:60"


def test_reload_in_mid_stream_shows_the_whole_answer(builder: Visit) -> None:
    page = builder.page
    ask(page, SLOW)
    expect(answer(page)).to_contain_text("word5")
    page.reload()
    expect(answer(page)).to_have_attribute("data-state", "streaming")
    expect(answer(page)).to_have_attribute("data-state", "complete", timeout=30_000)
    assert answer(page).locator(".prose").inner_text().split() == [f"word{number}" for number in range(60)]


def test_second_tab_shows_the_same_answer(builder: Visit) -> None:
    page = builder.page
    ask(page, "SAY:First answer")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    with builder.context.expect_page() as opened:
        page.evaluate("window.open(location.href)")  # the new tab takes the session's open conversation along
    second = builder.watch(opened.value)
    expect(answer(second)).to_contain_text("First answer")
    ask(page, SLOW)
    for tab in (page, second):
        expect(answer(tab)).to_have_attribute("data-state", "complete", timeout=30_000)
        assert answer(tab).locator(".prose").inner_text().split()[-1] == "word59"


def test_stop_keeps_what_came_and_again_answers_anew(builder: Visit) -> None:
    page = builder.page
    ask(page, SLOW)
    expect(answer(page)).to_contain_text("word3")
    page.get_by_role("button", name="Stop").click()
    expect(answer(page)).to_have_attribute("data-state", "cancelled")
    expect(answer(page)).to_contain_text("word3")
    answer(page).get_by_role("button", name="Answer again").click()
    expect(answer(page)).to_have_attribute("data-state", "complete", timeout=30_000)
    expect(answer(page)).to_contain_text("word59")
    expect(page.locator(".msg--user")).to_have_count(1)


def test_last_question_can_be_changed_and_answers_rated(builder: Visit) -> None:
    page = builder.page
    ask(page, "SAY:Wrong")
    expect(answer(page)).to_contain_text("Wrong")
    page.locator(".msg--user").last.hover()
    page.get_by_role("button", name="Edit and send again").click()
    ask(page, "SAY:Right")
    expect(answer(page)).to_have_text(re.compile("Right"))
    expect(answer(page)).to_have_attribute("data-state", "complete")
    answer(page).get_by_role("button", name="Good answer").click()
    expect(answer(page).get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    expect(answer(page).locator(".msg__meta")).to_contain_text("tokens")
    page.reload()
    expect(answer(page).get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".msg")).to_have_count(2)
    assert "Wrong" not in page.locator(".chat__messages").inner_text()


def test_model_failure_is_said_in_words_with_a_retry(builder: Visit) -> None:
    page = builder.page
    builder.allowed.append("status of 50")
    ask(page, "FAULT:400*1 SAY:Now it works")
    expect(answer(page).locator(".msg__note")).to_be_visible()
    answer(page).get_by_role("button", name="Try again").click()
    expect(answer(page)).to_contain_text("Now it works")


def test_model_failure_is_said_in_french_with_the_providers_own_words(visitor: Visitor) -> None:
    visit = visitor(locale="fr-FR")
    page = visit.page
    sign_up(page, visit.url, "panne@example.org")
    create_agent(page, visit.url, "En panne")
    visit.allowed.append("status of 50")
    ask(page, "FAULT:400 SAY:Jamais")
    expect(answer(page).locator(".msg__note span")).to_have_text(
        "Le fournisseur du modèle a refusé la requête avec le statut 400. (temperature must be at most 2)"
    )
    page.reload()  # from the conversation it is told in the same words
    expect(answer(page).locator(".msg__note")).to_contain_text("avec le statut 400. (temperature must be at most 2)")


def test_answer_cannot_run_or_fetch_anything(builder: Visit) -> None:
    page = builder.page
    ask(
        page,
        "SAY:![x](http://evil.test/p.png) <img src=http://evil.test/q.png onerror=alert(1)> <script>alert(2)</script> "
        "<style>body{background:url(http://evil.test/c)}</style> [bank](http://evil.test/x) [no](javascript:alert(3))",
    )
    expect(answer(page)).to_have_attribute("data-state", "complete")
    prose = answer(page).locator(".prose")
    assert prose.locator("img, script, style, iframe, form").count() == 0
    assert prose.locator("a[href^=javascript]").count() == 0
    expect(prose).to_contain_text("(evil.test)")
    for link in prose.locator("a").all():
        assert link.get_attribute("target") == "_blank"
        assert {"noopener", "nofollow"} <= set(link.get_attribute("rel").split())


def test_past_conversations_reopen_and_can_be_deleted_with_undo(builder: Visit) -> None:
    page = builder.page
    ask(page, "SAY:Blue")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".msg")).to_have_count(0)
    page.get_by_role("button", name="Past conversations").click()
    row = page.locator(".history__row", has_text="SAY:Blue")
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    row.locator(".history__open").click()
    expect(answer(page)).to_contain_text("Blue")


def test_answer_goes_on_after_the_connection_was_lost(builder: Visit) -> None:
    page = builder.page
    builder.allowed += ["ERR_INTERNET_DISCONNECTED", "ERR_NETWORK"]
    ask(page, SLOW)
    expect(answer(page)).to_contain_text("word3")
    builder.context.set_offline(True)
    page.wait_for_timeout(500)  # the time that the network is gone
    builder.context.set_offline(False)
    expect(answer(page)).to_have_attribute("data-state", "complete", timeout=30_000)
    assert answer(page).locator(".prose").inner_text().split() == [f"word{number}" for number in range(60)]


def test_answer_that_is_nested_too_deeply_is_shown_as_it_is(builder: Visit) -> None:
    page = builder.page
    ask(page, f"SAY:{'>' * 4000}bottom")
    expect(answer(page)).to_have_attribute("data-state", "complete")
    expect(answer(page).locator(".prose")).to_contain_text(">>>>bottom")
    expect(answer(page).get_by_role("button", name="Good answer")).to_be_attached()


def test_mark_of_a_source_stays_on_the_line_of_its_word(builder: Visit, tmp_path: Path) -> None:
    page = builder.page
    page.get_by_role("tab", name="Knowledge").click()
    (tmp_path / "leave.md").write_text("# Leave\n\nTwenty-five days of annual leave.")
    page.locator("[data-files]").set_input_files(tmp_path / "leave.md")
    expect(page.locator(".document[data-status=ready]")).to_be_visible(timeout=60_000)
    ends = ("annual leave", "annual **leave**", "x" * 30)
    ask(page, "SAY:" + "\n\n".join(f"{'a' * length} {end} [1]." for length in range(20, 60) for end in ends))
    expect(answer(page)).to_have_attribute("data-state", "complete")
    tops = answer(page).locator(".prose p").evaluate_all(TOPS)
    assert len(tops) == 120
    assert not [places for places in tops if max(places) - min(places) > 12]


# Where the last word, the mark and the full stop of each paragraph are, from above.
TOPS = """paragraphs => paragraphs.map((paragraph) => {
  const range = document.createRange();
  const texts = [];
  const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (text.length && !text.parentElement.closest(".cite")) texts.push(text);
  }
  const stop = texts.pop();
  const word = texts.findLast((text) => text.data.trim());
  const at = (text, place) => {
    range.setStart(text, place);
    range.setEnd(text, place + 1);
    return range.getBoundingClientRect().bottom;
  };
  const last = word.data.trimEnd().length - 1;
  return [at(word, last), paragraph.querySelector(".cite").getBoundingClientRect().bottom, at(stop, stop.length - 1)];
})"""
