"""Names of a network as C identifiers, and any text as a C comment: a name can hold anything, also C."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 40
"""Characters of an identifier taken from a name; C99 tells 63 apart, and prefixes are added."""
KEYWORDS = frozenset(
    """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false
    asm typeof and or not xor class this new delete template namespace private public protected virtual
    alignas alignof and_eq bitand bitor catch char8_t char16_t char32_t co_await co_return co_yield compl concept
    const_cast consteval constexpr constinit decltype dynamic_cast explicit export friend mutable noexcept not_eq
    nullptr operator or_eq reinterpret_cast requires static_assert static_cast thread_local throw try typeid typename
    using wchar_t xor_eq
    offsetof linux unix
    """.split()  # noqa: SIM905
)
"""Of C99, its usual extensions and, for those who include the header there, C++; and macros in small letters."""


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """Name → a C identifier that resembles it, all different, none of them in capitals alone as macros are."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9]+", "_", name)[:LONGEST].strip("_") or "n"
        if base[0].isdigit() or base.isupper() or base in KEYWORDS:
            base = f"n_{base}"
        identifier, count = base, 1
        while identifier in taken:
            count += 1
            identifier = f"{base}_{count}"
        taken.add(identifier)
        found[name] = identifier
    return found


def comment(text: str) -> str:
    """Text inside a C comment: printable ASCII on one line, without what ends a comment or joins two lines.

    A backslash joins lines, and so does the trigraph of two question marks and a slash.
    """
    plain = "".join(c if " " <= c <= "~" and c not in "\\?" else "." for c in text)
    return plain.replace("*/", "* /").replace("/*", "/ *")
