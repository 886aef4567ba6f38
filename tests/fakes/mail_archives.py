"""IHE_XDM archives about a patient, as a colleague's software would send them."""

import io
import zipfile
from datetime import UTC, datetime

from bridges.mail import codes
from bridges.mail.inputs import Draft, Subject, Writer
from bridges.mail.xdm_making import make_xdm
from tests.fakes.mail_bridge import INS

PDF = b"%PDF-1.4\nbilan\n%%EOF\n"
AUTHOR = Writer(
    id="99700367909",
    title="DR",
    family_name="LEROY",
    given_name="Paul",
    specialty="G15_10/SM26",
    institution="CHU du Nord",
    institution_id="499700367909006",
    facility="SA07",
)


def archive(ins: str = INS, *, birth_date: str = "1979-03-28", replaces: str = "", hour: int = 9) -> tuple[bytes, str]:
    """An IHE_XDM.ZIP about a patient, and the id of its document."""
    patient = Subject(ins=ins, birth_name="CORSE", given_names="Anne", birth_date=birth_date, sex="F")
    made = make_xdm(
        Draft(
            pdf=PDF + str(hour).encode(),
            patient=patient,
            author=AUTHOR,
            type=codes.table("types")["18748-4"],
            title="Echographie",
            made_at=datetime(2026, 11, 20, hour, tzinfo=UTC),
            replaces=replaces,
        )
    )
    return made.archive, made.document_id


def edited(octets: bytes, *changes: tuple[str, str]) -> bytes:
    """The same archive with other words in its files, as another software would have written them."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(octets)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            for old, new in changes:
                content = content.replace(old.encode(), new.encode())
            target.writestr(name, content)
    return made.getvalue()


def hidden(octets: bytes) -> bytes:
    """The same archive, classified as its author would for a document that the patient must not see yet."""
    return edited(octets, ('nodeRepresentation="N"', 'nodeRepresentation="INVISIBLE_PATIENT"'))
