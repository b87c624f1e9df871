from packing import reference


def test_the_page_says_what_plugin_yaml_says() -> None:
    assert reference.PAGE.read_text() == reference.text(), "make reference writes it anew"
