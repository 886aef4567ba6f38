"""Why TLS did not come to be, in stable words. Source: docs/spec/mail.md 13."""

import ssl
from typing import Final

_VERIFICATION: Final = {9: "certificate_expired", 10: "certificate_expired", 62: "certificate_other_name"}  # X509_V_ERR


def why(error: BaseException) -> str:
    """Give the word where certificates are to blame, else the type of the error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATION.get(error.verify_code, "certificate_not_trusted")
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return "certificate_refused"  # the server did not take ours, or asks for one
    return type(error).__name__
