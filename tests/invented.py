"""Invented people and their resumes, in as many copies as a test needs."""

from __future__ import annotations

from hfloop.ner.documents import Document, Span

PEOPLE = ["Ada Quill", "Bruno Ferrant", "Chidi Anozie", "Dana Velk", "Elif Sorgun", "Farid Namdar", "Greta Holm"]
FIRMS = ["Opal Systems", "Tern Logistics", "Quarry Labs", "Birch Foods", "Nimbus Rail", "Cobalt Bank", "Wren Media"]
TITLES = ["Data Analyst", "Site Engineer", "Head of Sales", "Night Nurse", "Tax Advisor", "Chef", "Librarian"]


def invented_documents(count: int, first: int = 0) -> list[Document]:
    """Short resumes of invented people with the labels Name, Designation and Company; no two are the same."""
    documents = []
    for number in range(first, first + count):
        person, title = PEOPLE[number % 7], TITLES[(number // 7 + number) % 7]
        text, spans = "", []
        for piece, label in (
            (person, "Name"),
            ("\n", ""),
            (title, "Designation"),
            (f" since {1980 + number % 40} with ", ""),
            (FIRMS[(3 * number) % 7], "Company"),
            (f".\nLikes tea, maps and the number {number}.\nWorked before as ", ""),
            (TITLES[(number + 3) % 7], "Designation"),
            (" at ", ""),
            (FIRMS[(number + 2) % 7], "Company"),
            (".\n", ""),
        ):
            if label:
                spans.append(Span(len(text), len(text) + len(piece), label))
            text += piece
        documents.append(Document(text, tuple(spans), f"line {number + 1}"))
    return documents
