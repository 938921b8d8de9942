from __future__ import annotations

import re
import sys

import docx
import pypdf
import pytest

from hfloop.errors import UserError
from hfloop.ner.text_files import read_text_file


def minimal_pdf(*pages):
    """The bytes of a PDF whose pages show the given lines, each on a line of its own."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, lines in enumerate(pages):
        drawing = "BT /F1 12 Tf 14 TL 50 700 Td " + " T* ".join(f"({line}) Tj" for line in lines) + " ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream",
        ]
    pdf, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(pdf)}\n%%EOF"
    return (pdf + f"xref\n0 {size}\n0000000000 65535 f \n" + table + trailer).encode("ascii")


@pytest.mark.parametrize("name", ["cv.txt", "cv.md", "cv", "CV.TXT"])
def test_plain_text_is_read_as_it_is(name, tmp_path):
    (tmp_path / name).write_bytes("Zoe\u0301 Müller\n\n  C++ \n".encode())
    assert read_text_file(tmp_path / name) == "Zoe\u0301 Müller\n\n  C++ \n"


def test_a_byte_order_mark_is_dropped_and_line_breaks_become_one_kind(tmp_path):
    path = tmp_path / "cv.txt"
    path.write_bytes(b"\xef\xbb\xbfAda\r\nLovelace\rLondon\n")
    assert read_text_file(path) == "Ada\nLovelace\nLondon\n"


def test_text_that_is_not_utf8_names_the_byte_and_the_mend(tmp_path):
    path = tmp_path / "cv.txt"
    path.write_bytes(b"\xef\xbb\xbfAda L\xe9a")
    with pytest.raises(UserError, match=r"cv\.txt is not UTF-8 text \(byte 8\): save it as UTF-8\.$"):
        read_text_file(path)


def test_a_pdf_gives_its_lines_page_after_page(tmp_path):
    path = tmp_path / "cv.pdf"
    path.write_bytes(minimal_pdf(["Ada Lovelace", "London"], ["Analytical engines"]))
    assert read_text_file(path) == "Ada Lovelace\nLondon\nAnalytical engines"


@pytest.mark.parametrize("damage", [lambda pdf: b"not a pdf", lambda pdf: pdf[:100], lambda pdf: b""])
def test_a_damaged_pdf_is_one_sentence(damage, tmp_path):
    path = tmp_path / "cv.pdf"
    path.write_bytes(damage(minimal_pdf(["Ada"])))
    with pytest.raises(UserError, match=r"cv\.pdf is not a PDF that can be read .*: save or download it again\.$"):
        read_text_file(path)


def encrypted(pdf, path, user_password):
    path.write_bytes(pdf)
    writer = pypdf.PdfWriter(path)
    writer.encrypt(user_password=user_password, owner_password="owner", algorithm="RC4-128")
    writer.write(path)


def test_an_encrypted_pdf_asks_for_an_open_copy(tmp_path):
    encrypted(minimal_pdf(["Ada"]), tmp_path / "cv.pdf", user_password="secret")
    with pytest.raises(UserError, match=r"cv\.pdf is an encrypted PDF: save a copy without password"):
        read_text_file(tmp_path / "cv.pdf")


def test_a_pdf_that_anyone_may_open_is_read_though_it_is_encrypted(tmp_path):
    encrypted(minimal_pdf(["Ada"]), tmp_path / "cv.pdf", user_password="")
    assert read_text_file(tmp_path / "cv.pdf") == "Ada"


def test_a_pdf_without_text_may_be_a_scan(tmp_path):
    path = tmp_path / "cv.pdf"
    path.write_bytes(minimal_pdf([]))
    with pytest.raises(UserError, match=r"cv\.pdf holds no text, it may be a scan"):
        read_text_file(path)


def test_a_word_file_gives_paragraphs_and_tables_in_order(tmp_path):
    document = docx.Document()
    document.add_paragraph("Ada Lovelace").add_run().add_break()
    document.paragraphs[0].add_run("London")
    table = document.add_table(rows=2, cols=3)
    for cell, text in zip(table.rows[0].cells, ["1843", "Analyst", "Engines"], strict=True):
        cell.text = text
    merged = table.cell(1, 0).merge(table.cell(1, 1))
    merged.text = "Skills"
    merged.add_paragraph("Notes")
    table.cell(1, 2).text = "Numbers"
    document.add_paragraph("")
    document.add_paragraph("References")
    document.save(tmp_path / "cv.docx")
    assert read_text_file(tmp_path / "cv.docx") == (
        "Ada Lovelace\nLondon\n1843\tAnalyst\tEngines\nSkills\nNotes\tNumbers\n\nReferences"
    )


def test_a_damaged_word_file_is_one_sentence(tmp_path):
    docx.Document().save(tmp_path / "whole.docx")
    for content in (b"not a zip", (tmp_path / "whole.docx").read_bytes()[:2000], b""):
        (tmp_path / "cv.docx").write_bytes(content)
        with pytest.raises(
            UserError, match=r"cv\.docx is not a Word file that can be read .*: save it again as \.docx\.$"
        ):
            read_text_file(tmp_path / "cv.docx")


@pytest.mark.parametrize(
    ("name", "package", "module"), [("cv.pdf", "pypdf", "pypdf"), ("a.docx", "python-docx", "docx")]
)
def test_a_missing_package_names_what_to_install(name, package, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # makes `import` fail
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=re.escape(f'needs the package {package}: run `pip install "hfloop[pdf]"`')):
        read_text_file(tmp_path / name)


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"cv\.txt cannot be read \(No such file or directory\): name a \.txt"):
        read_text_file(tmp_path / "cv.txt")
    with pytest.raises(
        UserError, match=r"cannot be read \(Is a directory\): name a \.txt, \.md, \.pdf or \.docx file\.$"
    ):
        read_text_file(tmp_path)


def test_an_unknown_kind_lists_the_known_ones(tmp_path):
    (tmp_path / "cv.doc").write_bytes(b"x")
    with pytest.raises(UserError, match=r"unknown kind `\.doc`: give a \.txt, \.md, \.pdf or \.docx file"):
        read_text_file(tmp_path / "cv.doc")


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_blanks_alone_are_no_text(content, tmp_path):
    (tmp_path / "cv.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"cv\.txt holds no text: give a file with text"):
        read_text_file(tmp_path / "cv.txt")


def test_a_word_files_header_comes_first_and_its_footer_last(tmp_path):
    path = tmp_path / "cv.docx"
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Ada Quill"
    document.add_paragraph("Analyst at Opal Systems")
    document.sections[0].footer.paragraphs[0].text = "page 1"
    document.save(path)
    assert read_text_file(path) == "Ada Quill\nAnalyst at Opal Systems\npage 1"
