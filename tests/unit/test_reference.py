from packing import reference, refusals
from packing.sentences import SOURCES

REFUSALS = [one for sources in SOURCES.values() for source in sources for one in source.refusals()]


def test_the_page_says_what_plugin_yaml_says() -> None:
    assert reference.PAGE.read_text() == reference.text(), "make reference writes it anew"


def test_the_page_of_refusals_says_what_the_code_says() -> None:
    assert refusals.PAGE.read_text() == refusals.text(), "make reference writes it anew"


def test_every_refusal_has_words_of_its_own() -> None:
    assert len(REFUSALS) > 140
    assert not [str(one) for one in REFUSALS if not one.has_words]


def test_what_is_looked_up_or_handed_over_is_on_the_page_too() -> None:
    lines = refusals.text().splitlines()
    assert "- opens another VRF; the router lives in the node's own" in lines
    assert "- is nested deeper than [...] levels" in lines
