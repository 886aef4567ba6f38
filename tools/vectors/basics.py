"""The groups codec, holders, codes, user_secret, passkey, speccheck, small_order."""

from vectors.kit import Group, drbg, flip
from vectors.speccheck import CASES

from crypto import aead, codec, holder, hpke, invitation, kdf, passkey, recovery, session, sign, user_secret
from crypto.codec import Signed, b64
from crypto.secret import Secret
from crypto.suite import label


def codec_group() -> Group:
    group = Group("codec", "b64, canonical JSON, signed wire form, padding (protocol.md 1.1, 1.3, 1.4, 7.2)")
    _b64_cases(group)
    _json_cases(group)
    wire = Signed(b'{"a":1}', (bytes(range(64)),)).pack()
    group.ok("one signature", "signed", wire=wire)
    group.ok("two signatures", "signed", wire=Signed(b"{}", (bytes(64), bytes(range(64)))).pack())
    group.refused("no signature", "bad_format", "signed", wire=b"\0\0\0\2{}\0")
    group.refused("three signatures", "bad_format", "signed", wire=b"\0\0\0\2{}\3" + bytes(192))
    group.refused("a byte after", "bad_format", "signed", wire=wire + b"\0")
    group.refused("cut in the signature", "bad_format", "signed", wire=wire[:-1])
    group.refused("cut in the body", "bad_format", "signed", wire=wire[:8])
    group.refused("length beyond the end", "bad_format", "signed", wire=b"\0\0\1\0" + wire[4:])
    group.refused("nothing", "bad_format", "signed", wire=b"")
    for length in (2, 3, 8, 9, 255, 256, 257, 1000, 1025, 4097, 65_537, 100_000, 131_140):
        group.ok(f"padme of {length}", "padme", length=length)
    _padding_cases(group)
    return group


def _b64_cases(group: Group) -> None:
    for text in ("", "AA", "AAA", "AAAA", "_-8", "SGVsbG8"):
        group.ok(f"b64 {text!r}", "b64", text=text)
    bad = {
        "padding": "AA==",
        "standard alphabet": "+/8",
        "white space": "AA AA",
        "line end": "AAAA\n",
        "trailing bits": "AB",
        "trailing bits of two": "AAB",
        "impossible length": "A",
        "a letter beyond": "AAé",
    }
    for name, text in bad.items():
        group.refused(f"b64 with {name}", "bad_format", "b64", text=text)
    group.refused("b64 of another size", "bad_format", "b64", text="AAAA", size=4)


def _json_cases(group: Group) -> None:
    deep = b'{"a":' + b"[" * 15 + b"]" * 15 + b"}"
    good = {
        "empty object": b"{}",
        "every type": b'{"a":null,"b":true,"c":false,"d":-1,"e":"x","f":[1,[]],"g":{"h":{}}}',
        "largest integers": b'{"a":9007199254740991,"b":-9007199254740991}',
        "all short escapes": b'{"a":"\\"\\\\\\b\\t\\n\\f\\r"}',
        "control characters": b'{"a":"\\u0000\\u001f\x7f"}',
        "raw beyond ASCII": '{"a":"é € 😀 \u2028 \ufeff /"}'.encode(),
        "keys by code point": b'{"a":1,"a0":2,"a_":3,"aa":4}',
        "not normalised": '{"a":"e\u0301"}'.encode(),
        "deepest": deep,
    }
    for name, data in good.items():
        group.ok(f"json: {name}", "json", bytes=data)
    bad = {
        "not an object": b"[]",
        "space": b'{"a": 1}',
        "line end": b"{}\n",
        "byte-order mark": b"\xef\xbb\xbf{}",
        "keys not sorted": b'{"b":1,"a":2}',
        "key twice": b'{"a":1,"a":2}',
        "key with a capital": b'{"A":1}',
        "key with a digit first": b'{"0":1}',
        "empty key": b'{"":1}',
        "long key": b'{"' + b"a" * 65 + b'":1}',
        "proto": b'{"__proto__":1}',
        "fraction": b'{"a":1.0}',
        "exponent": b'{"a":1e3}',
        "minus zero": b'{"a":-0}',
        "leading zero": b'{"a":01}',
        "integer too large": b'{"a":9007199254740992}',
        "integer far too large": b'{"a":' + b"9" * 5000 + b"}",
        "NaN": b'{"a":NaN}',
        "escape not needed": b'{"a":"\\u0041"}',
        "upper-case hex": b'{"a":"\\u001F"}',
        "long spelling of a short escape": b'{"a":"\\u000a"}',
        "escaped slash": b'{"a":"\\/"}',
        "escaped delete": b'{"a":"\\u007f"}',
        "raw control character": b'{"a":"\n"}',
        "lone surrogate": b'{"a":"\\ud800"}',
        "surrogate pair escaped": b'{"a":"\\ud83d\\ude00"}',
        "surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
        "overlong UTF-8": b'{"a":"\xc0\xaf"}',
        "cut UTF-8": b'{"a":"\xc3"}',
        "trailing comma": b'{"a":1,}',
        "something after": b"{}{}",
        "too deep": b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
        "far too deep": b'{"a":' + b"[" * 20_000,
        "nothing": b"",
    }
    for name, data in bad.items():
        group.refused(f"json: {name}", "bad_format", "json", bytes=data)


def _padding_cases(group: Group) -> None:
    for size in (0, 1, 188, 189, 1000):
        group.ok(f"pad {size}", "pad", content=bytes([7]) * size, trailer=bytes([9]) * 64)
    padded = codec.pad(b"content", bytes([9]) * 64)
    group.ok("unpad", "unpad", padded=padded, trailer=64)
    group.ok("unpad without trailer", "unpad", padded=codec.pad(b"x" * 253), trailer=0)
    group.refused("padding not zero", "bad_format", "unpad", padded=flip(padded, -1), trailer=64)
    group.refused("padding too long", "bad_format", "unpad", padded=padded + bytes(16), trailer=64)
    group.refused("padding too short", "bad_format", "unpad", padded=padded[:-1], trailer=64)
    group.refused("content beyond the end", "bad_format", "unpad", padded=b"\0\0\1\0" + padded[4:], trailer=64)
    group.refused("no room for the trailer", "bad_format", "unpad", padded=b"\0\0\0\xfc" + bytes(252), trailer=64)
    group.refused("shorter than a length", "bad_format", "unpad", padded=b"\0\0\0", trailer=0)


def holders_group() -> Group:
    group = Group("holders", "from a seed to keys, what is sealed to them, sessions (protocol.md 2, 3, 10)")
    random = drbg("holders")
    for name, seed in {"zero": bytes(32), "counting": bytes(range(32)), "random": random(32)}.items():
        group.ok(f"holder of seed {name}", "seed", seed=seed)
        group.ok(f"X-Wing of seed {name}", "xwing", seed=seed)
    group.refused("X-Wing seed of 31 bytes", "bad_format", "xwing", seed=bytes(31))
    seed = random(32)
    key = hpke.OpeningKey(Secret(seed))
    sealed = hpke.seal(key.public, b"info", b"plaintext")
    group.ok("sealed", "unseal", seed=seed, info=b"info", sealed=sealed)
    group.ok("sealed, nothing in it", "unseal", seed=seed, info=b"", sealed=hpke.seal(key.public, b"", b""))
    for name, at in {"ML-KEM ciphertext": 5, "X25519 share": 1100, "content": 1122, "tag": -1}.items():
        group.refused(f"flipped {name}", "open_failed", "unseal", seed=seed, info=b"info", sealed=flip(sealed, at))
    group.refused("another info", "open_failed", "unseal", seed=seed, info=b"other", sealed=sealed)
    group.refused("another key", "open_failed", "unseal", seed=random(32), info=b"info", sealed=sealed)
    group.refused("cut", "open_failed", "unseal", seed=seed, info=b"info", sealed=sealed[:-1])
    group.refused("shorter than enc", "open_failed", "unseal", seed=seed, info=b"info", sealed=sealed[:1119])
    _key_cases(group, key.public)
    _session_cases(group)
    return group


def _key_cases(group: Group, public: bytes) -> None:
    group.ok("X-Wing public key", "enc_key", public=public)
    group.refused("X-Wing public key too short", "bad_format", "enc_key", public=public[:-1])
    group.refused("X-Wing public key too long", "bad_format", "enc_key", public=public + b"\0")
    group.refused("first coefficient 3329", "weak_key", "enc_key", public=_over(public))
    group.refused("all coefficients 4095", "weak_key", "enc_key", public=b"\xff" * 1152 + public[1152:])


def _over(public: bytes) -> bytes:
    """The first coefficient (12 bits, little-endian) becomes 3329 = 0xd01."""
    return bytes([0x01, public[1] & 0xF0 | 0x0D]) + public[2:]


def _session_cases(group: Group) -> None:
    random = drbg("session")
    seed, server, challenge = random(32), random(16), random(32)
    key = holder.from_seed(Secret(seed), kind="device", name="")
    group.ok("answer to a challenge", "session", seed=seed, server=server, challenge=challenge)
    signature = session.answer(key, server=server, challenge=challenge)
    given = {
        "public": key.sign.public,
        "signature": signature,
        "server": server,
        "challenge": challenge,
        "holder": key.id,
    }
    group.ok("answer verified", "session_verify", **given)
    for name in ("server", "challenge", "holder", "signature"):
        changed = {**given, name: flip(given[name], 0)}
        group.refused(f"answer with another {name}", "bad_signature", "session_verify", **changed)


def codes_group() -> Group:
    group = Group("codes", "recovery codes and invitation codes as people type them (protocol.md 3.1, 9.2)")
    random = drbg("codes")
    for raw in (bytes(16), b"\xff" * 16, random(16)):
        group.ok(f"recovery code of {raw[:2].hex()}", "recovery", typed=recovery.RecoveryCode(Secret(raw)).text())
    text = recovery.RecoveryCode(Secret(random(16))).text()
    group.ok("lower case", "recovery", typed=text.lower())
    group.ok("white space", "recovery", typed="  " + text.replace("-", " \t\u00a0") + "\n")
    group.ok("no dashes", "recovery", typed=text.replace("-", ""))
    group.ok("other dashes", "recovery", typed=text.replace("-", "\u2013", 3).replace("-", "\u2212"))
    group.ok("full-width characters", "recovery", typed="".join(_wide(each) for each in text))
    zeros = recovery.RecoveryCode(Secret(bytes(15) + b"\x21")).text()
    group.ok("letters that look like digits", "recovery", typed=zeros.replace("0", "O").replace("1", "l"))
    swapped = _swap(text)
    group.refused("two characters swapped", "bad_check", "recovery", typed=swapped)
    group.refused(
        "check characters wrong", "bad_check", "recovery", typed=text[:-1] + ("1" if text[-1] == "0" else "0")
    )
    group.refused("a character missing", "bad_code", "recovery", typed=text[:-1])
    group.refused("a character too many", "bad_code", "recovery", typed=text + "0")
    group.refused("U is no character", "bad_code", "recovery", typed="U" + text[1:])
    group.refused("leading bits", "bad_code", "recovery", typed="8" + text[1:])
    group.refused("leading bits, all ones", "bad_code", "recovery", typed="Z" + text[1:])
    group.refused("punctuation", "bad_code", "recovery", typed=text.replace("-", "."))
    group.refused("nothing", "bad_code", "recovery", typed="")
    _typed_cases(group)
    return group


def _typed_cases(group: Group) -> None:
    random = drbg("typed codes")
    code = invitation.draw_code(random)
    text = code.text()
    group.ok("invitation code", "typed", typed=text)
    group.ok("invitation code, lower case with spaces", "typed", typed=text.lower().replace("-", " "))
    group.refused("invitation code, swapped", "bad_check", "typed", typed=_swap(text))
    other = "A" if text[-1] != "A" else "B"
    group.refused("invitation code, check character wrong", "bad_check", "typed", typed=text[:-1] + other)
    for name, typed in {
        "zero": "0" + text[1:],
        "one": "1" + text[1:],
        "I": "I" + text[1:],
        "O": "O" + text[1:],
    }.items():
        group.refused(f"invitation code with {name}", "bad_code", "typed", typed=typed)
    group.refused("invitation code, too short", "bad_code", "typed", typed=text[:-1])
    group.refused("invitation code, too long", "bad_code", "typed", typed=text + "A")
    salt = random(16)
    stretched = group.ok("stretched", "stretch", typed=text, salt=salt)
    invited = invitation.draw(random)
    key = invitation.StretchedCode(b"", Secret(codec.unb64(stretched["key"])))
    box = key.seal(invited, bytes(range(32)))
    group.ok("code box", "code_box", key=stretched["key"], invitation=invited.id, box=box)
    group.refused(
        "code box flipped", "open_failed", "code_box", key=stretched["key"], invitation=invited.id, box=flip(box, 3)
    )
    group.refused("code box of another key", "open_failed", "code_box", key=bytes(32), invitation=invited.id, box=box)
    group.refused("code box cut", "open_failed", "code_box", key=stretched["key"], invitation=invited.id, box=box[:-1])
    wrong = bytes(16)
    group.refused(
        "code box under another id", "open_failed", "code_box", key=stretched["key"], invitation=wrong, box=box
    )
    aes, nonce = kdf.key_and_nonce("code/box", key.key)
    forged = aead.seal(aes, nonce, bytes(32), invited.id)
    group.refused(
        "secret of another invitation",
        "bad_format",
        "code_box",
        key=stretched["key"],
        invitation=invited.id,
        box=forged,
    )


def _wide(character: str) -> str:
    return character if character == "-" else chr(ord(character) + 0xFEE0)


def _swap(text: str) -> str:
    at = next(i for i in range(5, len(text) - 4) if text[i] != text[i + 1] and "-" not in text[i : i + 2])
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def user_secret_group() -> Group:
    group = Group("user_secret", "the secret that all holders of an account share (protocol.md 4)")
    random = drbg("user secret")
    account, seed = random(32), random(32)
    older, newer = user_secret.draw(1, random), user_secret.draw(2, random)
    key = holder.from_seed(Secret(seed), kind="device", name="")
    group.ok("derived", "derive", uks=older.secret.reveal())
    group.ok("derived from zeros", "derive", uks=bytes(32))
    uk = older.opening_key().public
    box = older.box_for(account, key.id, key.enc.public)
    given = {"seed": seed, "box": box, "account": account, "generation": 1, "uk": uk}
    group.ok("box", "open_box", **given)
    forged = newer.box_for(account, key.id, key.enc.public)
    group.refused("box for another generation", "open_failed", "open_box", **{**given, "generation": 2})
    group.refused("box of another account", "open_failed", "open_box", **{**given, "account": random(32)})
    group.refused("box of another holder", "open_failed", "open_box", **{**given, "seed": random(32)})
    group.refused("box flipped", "open_failed", "open_box", **{**given, "box": flip(box, 1130)})
    info = label("uks-box") + account + (1).to_bytes(4) + key.id
    wrong = hpke.seal(key.enc.public, info, random(32))
    group.refused("well sealed, but another secret", "forged_box", "open_box", **{**given, "box": wrong})
    short = hpke.seal(key.enc.public, info, random(31))
    group.refused("well sealed, but too short", "forged_box", "open_box", **{**given, "box": short})
    group.refused(
        "the chain names another key", "forged_box", "open_box", **{**given, "uk": newer.opening_key().public}
    )
    group.refused("secret of generation 2 as 1", "open_failed", "open_box", **{**given, "box": forged})
    _previous_cases(group, account, older, newer)
    _own_cases(group)
    return group


def _previous_cases(group: Group, account: bytes, older: user_secret.UserSecret, newer: user_secret.UserSecret) -> None:
    names = {"newer": newer.secret.reveal(), "generation": 2, "account": account}
    group.ok("previous sealed", "seal_previous", **names, older=older.secret.reveal())
    sealed, uk = newer.seal_previous(account, older), older.opening_key().public
    given = {**names, "sealed": sealed, "uk": uk}
    group.ok("previous opened", "open_previous", **given)
    group.refused("previous flipped", "open_failed", "open_previous", **{**given, "sealed": flip(sealed, 0)})
    group.refused("previous of another account", "open_failed", "open_previous", **{**given, "account": bytes(32)})
    group.refused("previous of another generation", "open_failed", "open_previous", **{**given, "generation": 3})
    forged = newer.seal_previous(account, newer)
    group.refused("previous, but another secret", "forged_box", "open_previous", **{**given, "sealed": forged})


def _own_cases(group: Group) -> None:
    random = drbg("own data")
    secret, nonce = user_secret.draw(1, random), random(12)
    given = {"uks": secret.secret.reveal(), "name": "pins/é"}
    sealed = secret.seal_own("pins/é", b"data", lambda _: nonce)
    group.ok("own data sealed", "seal_own", **given, nonce=nonce, data=b"data")
    group.ok("own data opened", "open_own", **given, sealed=sealed)
    group.refused(
        "own data under another name", "open_failed", "open_own", **{**given, "name": "drafts"}, sealed=sealed
    )
    group.refused("own data flipped", "open_failed", "open_own", **given, sealed=flip(sealed, 0))
    group.refused("own data cut", "open_failed", "open_own", **given, sealed=sealed[:20])


def passkey_group() -> Group:
    group = Group("passkey", "a holder's seed under the PRF output of a passkey (protocol.md 11)")
    random = drbg("passkey")
    prf, credential = random(32), random(20)
    kept = passkey.Passkey(Secret(random(32)), random(32), 3, random(32))
    blob = passkey.wrap(kept, prf=Secret(prf), credential=credential)
    given = {"prf": prf, "credential": credential, "blob": blob}
    group.ok("input of the PRF", "prf_input")
    group.ok("blob", "unwrap", **given)
    group.refused("another PRF output", "open_failed", "unwrap", **{**given, "prf": random(32)})
    group.refused("another credential", "open_failed", "unwrap", **{**given, "credential": random(20)})
    group.refused("flipped", "open_failed", "unwrap", **{**given, "blob": flip(blob, 9)})
    group.refused("cut", "open_failed", "unwrap", **{**given, "blob": blob[:-1]})
    key, nonce = kdf.key_and_nonce("passkey/wrap", Secret(prf), context=credential)
    plain = {"account": b64(kept.account), "head": b64(kept.head), "position": 3, "seed": b64(bytes(31))}
    for name, body in {
        "seed of 31 bytes": codec.encode(plain),
        "key too many": codec.encode({**plain, "seed": b64(bytes(32)), "more": 1}),
        "not canonical": b'{"a": 1}',
    }.items():
        sealed = aead.seal(key, nonce, body, credential)
        group.refused(name, "bad_format", "unwrap", **{**given, "blob": sealed})
    return group


def speccheck_group() -> Group:
    group = Group(
        "speccheck", "the twelve cases of ed25519-speccheck with the verdicts of OpenSSL and WebCrypto (protocol.md 2)"
    )
    for number, case in enumerate(CASES):
        message, public, *signature = (bytes.fromhex(value) for value in case)
        given = {"message": message, "public": public, "signature": b"".join(signature)}
        if number in {0, 1, 2, 3, 11}:
            group.ok(f"case {number}", "verify", **given)
        else:
            group.refused(f"case {number}", "bad_signature", "verify", **given)
    return group


def small_order_group() -> Group:
    group = Group("small_order", "Ed25519 public keys that no chain and no invitation takes (protocol.md 2)")
    p = 2**255 - 19
    strong = holder.from_seed(Secret(bytes(32)), kind="device", name="").sign.public
    group.ok("an ordinary key", "sign_key", public=strong)
    for y in sorted(sign.SMALL_ORDER_Y):
        for spelled, kind in ((y, "canonical"), (y + p, "not canonical")):
            for bit in (0, 1):
                if spelled < 2**255:
                    public = (spelled | bit << 255).to_bytes(32, "little")
                    group.refused(f"y = {y:#x}, {kind}, sign {bit}", "weak_key", "sign_key", public=public)
    for y in (p, p + 5, 2**255 - 1):
        name = f"not canonical: y = p + {y - p}, sign bit set"
        group.refused(name, "weak_key", "sign_key", public=(y | 1 << 255).to_bytes(32, "little"))
    group.refused("31 bytes", "bad_format", "sign_key", public=bytes(31))
    return group


GROUPS = [
    codec_group,
    holders_group,
    codes_group,
    user_secret_group,
    passkey_group,
    speccheck_group,
    small_order_group,
]
