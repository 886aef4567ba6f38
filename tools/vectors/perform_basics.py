"""Operations of the groups codec, holders, codes, passkey, speccheck, small_order."""

from typing import Any

from crypto import codec, holder, hpke, invitation, passkey, recovery, session, sign
from crypto.codec import unb64
from crypto.errors import require
from crypto.secret import Secret

Plain = dict[str, Any]


def _b64(given: Plain, _: Plain) -> Plain:
    return {"hex": unb64(given["text"], given.get("size")).hex()}


def _json(given: Plain, _: Plain) -> Plain:
    return {"bytes": codec.encode(codec.decode(unb64(given["bytes"])))}


def _signed(given: Plain, _: Plain) -> Plain:
    signed = codec.Signed.unpack(unb64(given["wire"]))
    assert signed.pack() == unb64(given["wire"])
    return {"body": signed.body, "signatures": list(signed.signatures)}


def _padme(given: Plain, _: Plain) -> Plain:
    return {"padded": codec.padme(given["length"])}


def _pad(given: Plain, _: Plain) -> Plain:
    return {"padded": codec.pad(unb64(given["content"]), unb64(given["trailer"]))}


def _unpad(given: Plain, _: Plain) -> Plain:
    content, trailer = codec.unpad(unb64(given["padded"]), given["trailer"])
    return {"content": content, "trailer": trailer}


def _seed(given: Plain, _: Plain) -> Plain:
    found = holder.from_seed(Secret(unb64(given["seed"])), kind="device", name="")
    return {"sign": found.sign.public, "enc": found.enc.public, "id": found.id}


def _xwing(given: Plain, _: Plain) -> Plain:
    return {"enc": hpke.OpeningKey(Secret(unb64(given["seed"]))).public}


def _unseal(given: Plain, _: Plain) -> Plain:
    key = hpke.OpeningKey(Secret(unb64(given["seed"])))
    return {"plaintext": key.unseal(unb64(given["info"]), unb64(given["sealed"]))}


def _sign_key(given: Plain, _: Plain) -> Plain:
    sign.require_strong(unb64(given["public"]))
    return {}


def _enc_key(given: Plain, _: Plain) -> Plain:
    hpke.require_strong(unb64(given["public"]))
    return {}


def _session(given: Plain, _: Plain) -> Plain:
    key = holder.from_seed(Secret(unb64(given["seed"])), kind="device", name="")
    return {"signature": session.answer(key, server=unb64(given["server"]), challenge=unb64(given["challenge"]))}


def _session_verify(given: Plain, _: Plain) -> Plain:
    names = ("public", "signature", "server", "challenge", "holder")
    public, signature, server, challenge, who = (unb64(given[name]) for name in names)
    valid = session.verify(public, signature, server=server, challenge=challenge, holder=who)
    require(valid, "bad_signature")
    return {}


def _recovery(given: Plain, _: Plain) -> Plain:
    code = recovery.read(given["typed"])
    return {"secret": code.secret.reveal(), "text": code.text(), "holder": code.holder().id}


def _typed(given: Plain, _: Plain) -> Plain:
    return {"text": invitation.read_code(given["typed"]).text()}


def _stretch(given: Plain, _: Plain) -> Plain:
    stretched = invitation.read_code(given["typed"]).stretch(unb64(given["salt"]))
    return {"locator": stretched.locator, "key": stretched.key.reveal()}


def _code_box(given: Plain, _: Plain) -> Plain:
    stretched = invitation.StretchedCode(b"", Secret(unb64(given["key"])))
    carried = stretched.unseal(unb64(given["invitation"]), unb64(given["box"]))
    assert stretched.seal(carried.invitation, carried.inviter) == unb64(given["box"])
    return {"secret": carried.invitation.secret.reveal(), "inviter": carried.inviter}


def _unwrap(given: Plain, _: Plain) -> Plain:
    prf, credential = Secret(unb64(given["prf"])), unb64(given["credential"])
    found = passkey.unwrap(unb64(given["blob"]), prf=prf, credential=credential)
    assert passkey.wrap(found, prf=prf, credential=credential) == unb64(given["blob"])
    seed = found.seed.reveal()
    return {"seed": seed, "account": found.account, "position": found.position, "head": found.head}


def _prf_input(_: Plain, __: Plain) -> Plain:
    return {"input": passkey.PRF_INPUT}


def _verify(given: Plain, _: Plain) -> Plain:
    message, public, signature = (unb64(given[name]) for name in ("message", "public", "signature"))
    require(sign.verify_raw(public, message, signature), "bad_signature")
    return {}


OPERATIONS = {
    "codec": {"b64": _b64, "json": _json, "signed": _signed, "padme": _padme, "pad": _pad, "unpad": _unpad},
    "holders": {
        "seed": _seed,
        "xwing": _xwing,
        "unseal": _unseal,
        "sign_key": _sign_key,
        "enc_key": _enc_key,
        "session": _session,
        "session_verify": _session_verify,
    },
    "codes": {"recovery": _recovery, "typed": _typed, "stretch": _stretch, "code_box": _code_box},
    "passkey": {"prf_input": _prf_input, "unwrap": _unwrap},
    "speccheck": {"verify": _verify},
    "small_order": {"sign_key": _sign_key},
}
