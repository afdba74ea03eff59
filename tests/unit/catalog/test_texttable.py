"""Tables as text."""

from skymill.catalog.texttable import aligned, markdown


def test_numbers_stand_to_the_right_and_words_to_the_left():
    assert aligned(("name", "n", "note"), [["a", "10", ""], ["long name", "5", "x"]]) == (
        "name        n  note\na          10\nlong name   5  x"
    )


def test_a_header_alone():
    assert aligned(("name", "n"), []) == "name  n"


def test_markdown():
    assert markdown(("a", "b"), [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_text_from_files_cannot_break_a_page():
    cell = markdown(("a",), [["<script>|\nnew & line"]]).splitlines()[-1]

    assert cell == "| &lt;script>\\| new &amp; line |"
