"""Writing XML: elements in one expression, escaped by the library."""

from xml.etree import ElementTree as ET  # writes only; strangers' XML is read by ``tree``


def node(name: str, /, *inside: "ET.Element | str | None", **attributes: str) -> ET.Element:
    """Make an element; ``None`` inside is left out, text comes before elements."""
    made = ET.Element(name, attributes)
    for each in inside:
        if isinstance(each, str):
            made.text = (made.text or "") + each
        elif each is not None:
            made.append(each)
    return made


def write(root: ET.Element) -> bytes:
    """Give the document as UTF-8 with its declaration."""
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body
