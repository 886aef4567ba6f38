"""Why a mail did not arrive: each stable code has its words, in both languages, beside the code."""

from pathlib import Path

import pytest

from bridges.mail.causes import words
from bridges.mail.following import failure
from bridges.mail.recipients import AWAY, NOT_TRUSTED, REFUSED

ROOT = Path(__file__).resolve().parents[4]
OURS = [*REFUSED.values(), NOT_TRUSTED, AWAY]
NUMBERS = [str(number) for number in range(900, 907)]


def failed(said: str, language="fr") -> str:
    return failure(["a@x.mssante.fr"], said, language)


@pytest.mark.parametrize("code", [*OURS, *NUMBERS])
def test_each_code_is_told_with_its_words_in_both_languages(code):
    french, english = failed(code), failed(code, "en")
    assert french == f"Non remis à a@x.mssante.fr : {words(code, 'fr')} (code {code})."
    assert english == f"Not delivered to a@x.mssante.fr: {words(code, 'en')} (code {code})."
    assert words(code, "fr") != words(code, "en")


def test_a_refusal_of_ours_keeps_its_code_before_what_it_says_more():
    assert "(code directory_unavailable)" in failed(f"{AWAY}: away TimeoutError")


def test_an_unknown_cause_is_told_in_the_words_of_the_other_side():
    told = failed("other\n550 no", "en")
    assert told == "Not delivered to a@x.mssante.fr.\n\nIts answer:\n550 no"


def test_the_page_of_errors_names_all_of_ours():
    page = (ROOT / "docs/spec/errors.md").read_text("utf-8")
    assert not [code for code in OURS if f"| `{code}` |" not in page]
