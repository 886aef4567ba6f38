# ruff: noqa: RUF001  # French typography
"""The prescription that Dr Martin (démo) sends to Jean Dupont (démo): fictitious, and says so."""

from __future__ import annotations

from server.demo.pdf import Line, page

_NOTICE = "DÉMONSTRATION – document fictif, sans valeur médicale"


def prescription() -> bytes:
    """Return the PDF: one page, about 2 kB."""
    lines = (
        Line(_NOTICE, 70, 800, size=10, bold=True, grey=0.45),
        Line("Dr Claire Martin (démo)", 70, 752, size=16, bold=True),
        Line("Médecin généraliste", 70, 732),
        Line("1 place de l’Exemple, 00000 Villefictive", 70, 716),
        Line("Le 12 mai 2026", 400, 680),
        Line("Jean Dupont (démo), 78 ans", 70, 650, bold=True),
        Line("Ordonnance", 70, 606, size=20, bold=True),
        Line("1.  Paracétamol 500 mg, comprimé", 70, 560, size=12, bold=True),
        Line("1 comprimé jusqu’à 3 fois par jour, à 6 heures d’intervalle, pendant 5 jours.", 90, 542),
        Line("2.  Sérum physiologique, unidoses", 70, 508, size=12, bold=True),
        Line("Lavage du nez matin et soir, pendant 7 jours.", 90, 490),
        Line("Revenir si la fièvre dure plus de 3 jours.", 70, 446),
        Line("Dr C. Martin (démo)", 400, 380, bold=True),
        Line(_NOTICE, 70, 60, size=10, bold=True, grey=0.45),
    )
    return page(lines, title="Ordonnance (démonstration)")
