"""Writes docs/documents.md from the table: python -m tests.documents."""

from .page import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
