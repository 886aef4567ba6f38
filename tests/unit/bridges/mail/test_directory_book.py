"""The copy of the directory: what counts, for how long, and what replaces what."""

import io
import zipfile
from datetime import UTC, datetime

import pytest

from bridges.mail.directory.book import Book, Verified
from bridges.mail.directory.entries import Entry, Known
from bridges.mail.directory.extract import LINE, ExtractError, opened
from bridges.mail.directory.standing import DAY, FRESH, LONGEST, VOUCHED, judge
from bridges.mail.state import State

NOW = 1_795_000_000.0
A, B = "a@x.mssante.fr", "b@x.mssante.fr"
HEAD = (
    "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|Type identifiant structure"
    "|Identification Structure|Service de rattachement|Civilité d'exercice|Nom d'exercice|Prénom d'exercice"
    "|Catégorie profession|Libellé de catégorie profession|Code Profession|Libellé Profession|Code savoir-faire"
    "|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|Enseigne commerciale structure BAL"
)


def line(address=A, *, kind="PER", id_type="8", number="10003456789", family="Éluard", place="Cabinet"):
    given = "Zoé" if family else ""
    cells = [
        kind,
        address,
        id_type,
        number,
        f"8{number}",
        "",
        "",
        "",
        "M",
        family,
        given,
        "C",
        "Civil",
        "10",
        "Médecin",
    ]
    return "|".join([*cells, "", "", "O", place, ""])


def entry(address=A, **more):
    return Entry(address=address, **{"kind": "PER", "owner": "10003456789", "name": "Zoé ÉLUARD", **more})


def known(source="api", age=0.0, **more):
    return Known(entry=entry(**more), source=source, seen_at=NOW - age)


@pytest.fixture
def book(tmp_path):
    state = State(tmp_path / "d.sqlite", seal=bytes, unseal=bytes)
    made = Book(state, clock=lambda: NOW)
    yield made
    state.close()


# --- verdicts ---------------------------------------------------------------------------------------------------------

OTHER = {"owner": "10009999999"}


@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ([], "unlisted"),
        ([known()], "listed"),
        ([known("extract", LONGEST)], "listed"),
        ([known("extract", LONGEST + 1)], "too_old"),
        ([known("verified", VOUCHED)], "listed"),
        ([known("verified", VOUCHED + 1)], "too_old"),
        ([known(active=False)], "inactive"),
        ([known(active=False), known(place="b")], "listed"),
        ([known(active=False), known("extract")], "inactive"),
        ([known(), known(**OTHER)], "ambiguous"),
        ([known(), known(active=False, **OTHER)], "listed"),
        ([known(kind="ORG"), known(kind="ORG", **OTHER)], "listed"),
        ([known(), known(**OTHER), known("verified")], "listed"),
        ([known("extract", LONGEST + 1), known("verified", DAY)], "listed"),
        ([known(active=False), known("verified", DAY)], "inactive"),
        ([known(active=False, age=2 * DAY), known("verified", DAY)], "listed"),
    ],
)
def test_what_is_held_gives_one_verdict(held, verdict):
    assert judge(held, NOW) == verdict


# --- the copy ---------------------------------------------------------------------------------------------------------


def test_a_new_answer_takes_the_place_of_the_old_one(book):
    book.learn(A, [entry(place="one"), entry(place="two")])
    book.learn(A, [entry(place="two")])
    assert [each.entry.place for each in book.find(A)] == ["two"]
    book.learn(A, [])
    assert (book.find(A), book.asked_at(A)) == ([], NOW)


def test_who_goes_on_the_red_list_is_forgotten_everywhere(book):
    book.learn(A, [entry()])
    book.take_extract(iter([entry(), entry(B)]), file="f", made_at=NOW)
    book.hide({A})
    assert (book.find(A), book.search("éluard")[0].entry.address) == ([], B)


def test_search_finds_without_accents_and_shows_no_closed_box(book):
    book.learn_some([entry(), entry(B, name="Paul ELUARD", active=False)])
    book.verify(Verified(entry=entry("c@x.mssante.fr", name="Léa Éluard-Roy"), at=NOW, by="MC"))
    assert [each.entry.address for each in book.search("eluard")] == ["c@x.mssante.fr", A]
    assert [each.entry.address for each in book.search("zoe éluard")] == [A]
    assert [each.entry.address for each in book.search("810003456789")] == ["c@x.mssante.fr", A]
    assert [each.entry.address for each in book.search("A@X")] == [A]
    assert book.search("%") == []


def test_what_is_due_and_what_is_too_old(book):
    book._clock = lambda: NOW - FRESH - 1
    book.learn(A, [entry()])
    book._clock = lambda: NOW
    book.learn(B, [entry(B)])
    assert book.due(NOW - FRESH, 10) == [A]
    assert book.forget(NOW - FRESH) == 1
    assert (book.find(A), len(book.find(B))) == ([], 1)


def test_a_broken_extract_leaves_the_earlier_one(book):
    book.take_extract(iter([entry()]), file="first", made_at=NOW)

    def broken():
        yield entry(B)
        raise ExtractError("too_large line 2")

    with pytest.raises(ExtractError):
        book.take_extract(broken(), file="second", made_at=NOW)
    assert (book.extract().file, book.extract().addresses, len(book.find(A)), book.find(B)) == ("first", 1, 1, [])
    book.take_extract(iter([entry(B)] * 2), file="third", made_at=NOW)
    assert (book.extract().file, book.extract().addresses, book.find(A)) == ("third", 1, [])


def test_the_copy_survives_a_process_and_an_import_cut_short_counts_for_nothing(tmp_path):
    path = tmp_path / "d.sqlite"
    state = State(path, seal=bytes, unseal=bytes)
    book = Book(state, clock=lambda: NOW)
    book.take_extract(iter([entry()]), file="first", made_at=NOW)
    batch = book._new_batch("second", NOW)  # and then the machine stops
    with state.together():
        book._put(batch, entry(B), NOW)
    state.close()
    again = State(path, seal=bytes, unseal=bytes)
    book = Book(again, clock=lambda: NOW)
    assert ([each.source for each in book.find(A)], book.find(B)) == (["extract"], [])
    assert path.stat().st_mode & 0o777 == 0o600
    book.take_extract(iter([entry("c@x.mssante.fr")]), file="third", made_at=NOW)
    assert again.all("SELECT address FROM listed") == [("c@x.mssante.fr",)]
    again.close()


# --- the extract ------------------------------------------------------------------------------------------------------


def extracted(path):
    with opened(path) as extract:
        return list(extract.entries), extract


def write(folder, *lines, name="Extraction_Correspondance_MSSante_202611280310.txt", head=HEAD):
    path = folder / name
    path.write_bytes("\n".join([head, *lines, ""]).encode())
    return path


def test_the_free_extract_is_read_as_it_is_published(tmp_path):
    path = write(
        tmp_path,
        line(),
        line(B, kind="ORG", id_type="", number="", family="", place="CHU"),
        line("adeli@x.mssante.fr", id_type="0", number="759900001"),
        line("no address"),
    )
    (person, place), extract = extracted(path)
    assert (person.address, person.owner, person.name, person.profession) == (A, "10003456789", "Zoé ÉLUARD", "10")
    assert (place.kind, place.name, place.place) == ("ORG", "CHU", "CHU")
    assert extract.dropped == {"adeli": 1, "not_an_address": 1}
    assert extract.made_at == datetime(2026, 11, 28, 3, 10, tzinfo=UTC)


def test_its_archive_is_read_without_unpacking_to_disk(tmp_path):
    plain = write(tmp_path, line(), name="Extraction_Correspondance_MSSante_202611280310.txt")
    packed = tmp_path / "any.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, plain.name)
    entries, extract = extracted(packed)
    assert (len(entries), extract.made_at.year) == (1, 2026)


def test_columns_are_found_by_name_and_a_file_of_another_kind_says_so(tmp_path):
    moved = write(tmp_path, f"x|{A}|PER", head="Autre|ADRESSE  BAL|Type de BAL", name="m.txt")
    assert [(each.address, each.kind) for each in extracted(moved)[0]] == [(A, "PER")]
    other = write(tmp_path, "8|1", head="Identifiant PP|Nom d'exercice", name="PS_LibreAcces_Personne_activite.txt")
    with pytest.raises(ExtractError, match="no_column_adresse_bal"):
        extracted(other)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "no_column"),
        (HEAD.encode() + b"\n" + b"x" * (LINE + 1), "too_large line 2"),
        (HEAD.encode() + b"\nPER|\xe9@x.fr\n", "not_utf_8 line 2"),
        (b"PK\x03\x04broken", "archive"),
    ],
)
def test_a_broken_file_is_refused_with_a_word_and_a_line(tmp_path, octets, why):
    path = tmp_path / "f.txt"
    path.write_bytes(octets)
    with pytest.raises(ExtractError, match=why):
        extracted(path)


def test_an_archive_of_two_files_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", HEAD)
        archive.writestr("b", HEAD)
    path = tmp_path / "f.zip"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ExtractError, match="archive"):
        extracted(path)
