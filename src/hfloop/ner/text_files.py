"""The text of a file that a person has: plain text, PDF or Word."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from hfloop.errors import UserError

if TYPE_CHECKING:
    from docx.blkcntnr import BlockItemContainer
    from docx.document import Document as WordDocument
    from docx.table import Table

BYTE_ORDER_MARK = "\ufeff"
PLAIN_SUFFIXES = (".txt", ".md", "")


def read_text_file(path: Path) -> str:
    """Return the text of a `.txt`, `.md`, `.pdf` or `.docx` file; a file without a suffix is plain text.

    Line breaks are kept, as `\\n`. A PDF's lines come in the order in which the file draws them, which keeps columns
    apart. Of a Word file the headers are read, then the body with its tables in their place and a tab between cells,
    then the footers; text boxes are not.

    Raises:
        UserError: the file cannot be opened, is of another kind, damaged, encrypted, not UTF-8, or without text, or
            the package that reads its kind is not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): name a .txt, .md, .pdf or .docx file.") from error
    match path.suffix.lower():
        case suffix if suffix in PLAIN_SUFFIXES:
            text = _plain_text(path, content)
        case ".pdf":
            text = _pdf_text(path, content)
        case ".docx":
            text = _docx_text(path, content)
        case suffix:
            raise UserError(f"{path} is of an unknown kind `{suffix}`: give a .txt, .md, .pdf or .docx file.")
    if not text.strip():
        scan = ", it may be a scan that needs character recognition first" if path.suffix.lower() == ".pdf" else ""
        raise UserError(f"{path} holds no text{scan}: give a file with text.")
    return text


def _plain_text(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n")


def _pdf_text(path: Path, content: bytes) -> str:
    try:
        import pypdf
    except ImportError as error:
        raise _missing_package(path, "pypdf") from error
    try:
        reader = pypdf.PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise pypdf.errors.FileNotDecryptedError
        text = "\n".join(page.extract_text() for page in reader.pages)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # fonts may map to half a pair
    except (pypdf.errors.FileNotDecryptedError, pypdf.errors.DependencyError) as error:
        raise UserError(f"{path} is an encrypted PDF: save a copy without password or restrictions.") from error
    except Exception as error:  # pypdf raises many kinds of errors on damaged files
        raise UserError(f"{path} is not a PDF that can be read ({error}): save or download it again.") from error


def _docx_text(path: Path, content: bytes) -> str:
    try:
        import docx
    except ImportError as error:
        raise _missing_package(path, "python-docx") from error
    try:
        return "\n".join(line for part in _docx_parts(docx.Document(BytesIO(content))) for line in _docx_lines(part))
    except Exception as error:  # python-docx raises errors of zipfile, lxml and its own on damaged files
        raise UserError(f"{path} is not a Word file that can be read ({error}): save it again as .docx.") from error


def _docx_parts(document: WordDocument) -> list[BlockItemContainer]:
    """The headers, where a name often stands, the body, and the footers."""
    headers = [section.header for section in document.sections if not section.header.is_linked_to_previous]
    footers = [section.footer for section in document.sections if not section.footer.is_linked_to_previous]
    return [*headers, document._body, *footers]


def _docx_lines(container: BlockItemContainer) -> Iterator[str]:
    """The paragraphs and table rows of a document's body or of a table's cell, in order."""
    from docx.text.paragraph import Paragraph

    for block in container.iter_inner_content():
        if isinstance(block, Paragraph):
            yield block.text
        else:
            yield from _docx_rows(block)


def _docx_rows(table: Table) -> Iterator[str]:
    seen = set()  # a merged cell comes back for each place that it fills
    for row in table.rows:
        texts = []
        for cell in row.cells:
            if cell._tc not in seen:
                seen.add(cell._tc)
                texts.append("\n".join(_docx_lines(cell)))
        yield "\t".join(texts)


def _missing_package(path: Path, package: str) -> UserError:
    return UserError(f'reading {path} needs the package {package}: run `pip install "hfloop[pdf]"`.')
