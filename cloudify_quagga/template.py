"""A file as a template: what an author's variables make of it."""

from __future__ import annotations

import builtins
import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
import jinja2.sandbox

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.document import LONGEST
from cloudify_quagga.model.sentence import legible, unquoted

_MOST_FRAMES = 1000

# A template is its author's program: besides jinja2's own, these are what expressions and filters raised when
# hundreds of thousands of random ones were tried.
_RAISED_BY_TEMPLATES = (
    jinja2.TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
# Those of them whose words tell what is wrong, and quote what they quote.
_OWN_WORDS = (jinja2.TemplateError, ArithmeticError, MemoryError, RuntimeError, SyntaxError, TypeError)
_WORD = re.compile(r"\w+")
_TYPES = {"object", "NoneType", *(name for name, one in vars(builtins).items() if isinstance(one, type))}


def rendered(path: str, text: str, variables: Mapping[str, Any]) -> str:
    """The text itself without variables (braces mean nothing then), else the template's result.

    An undefined variable is refused, and so is what reaches for Python behind the values.
    """
    if not variables:
        return text
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    # What is raised while values are at hand may quote them, and so would the traceback.
    try:
        return _whole(path, environment.from_string(text).generate(variables))
    except jinja2.TemplateSyntaxError as error:
        raise Refused(
            path, "the template", f"is refused at line {error.lineno}: {legible(error.message)}"
        ) from None
    except _RAISED_BY_TEMPLATES as error:
        where = f" at line {line}" if (line := _line_of_template(error)) else ""
        right = f"cannot be rendered{where}: {_words_of_template(error, text)}"
        raise Refused(path, "the template", right) from None


def _whole(path: str, pieces: Iterable[str]) -> str:
    found, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST:
            raise Refused(path, "the template", f"makes more than {LONGEST} characters")
        found.append(piece)
    return "".join(found)


def _line_of_template(error: BaseException) -> int | None:
    """Where in the template it was raised; jinja2 names its frames so."""
    frames = traceback.extract_tb(error.__traceback__, limit=_MOST_FRAMES)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), None)


def _words_of_template(error: Exception, text: str) -> str:
    """What is wrong, without what is in the variables: of what is quoted, what the template itself says."""
    if not isinstance(error, _OWN_WORDS):
        return type(error).__name__
    known = set(_WORD.findall(text))

    def is_known(piece: str) -> bool:
        return all(word in known or word in _TYPES for word in _WORD.findall(piece))

    return legible(unquoted(str(error), is_known)) or type(error).__name__
