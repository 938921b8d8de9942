"""Documents that hypothesis invents, for the tests of formats and repairs."""

from __future__ import annotations

from hypothesis import strategies as st

from hfloop.ner.documents import Document, Span

LABELS = ("Name", "College Name", "Skills")
TEXTS = st.text(st.sampled_from("ab1é_&;<.-\t \n\r\u2028\ufeff😀字"), max_size=40)


@st.composite
def documents(draw: st.DrawFn, labels: tuple[str, ...] = LABELS, texts: st.SearchStrategy[str] = TEXTS) -> Document:
    """A document with spans anywhere in its text: overlapping, cutting words, with blanks at their edges."""
    text = draw(texts)
    if not text:
        return Document(text)
    spans = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text) - 1))
        spans.append(Span(start, draw(st.integers(start + 1, len(text))), draw(st.sampled_from(labels))))
    return Document(text, tuple(sorted(spans)))
