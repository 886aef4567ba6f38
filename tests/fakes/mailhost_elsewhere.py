"""A second Postfix beside the mail host: another operator's server, which bounces and reports on its own.

One of its ports offers no delivery reports, and what comes there goes on to the Dovecot of the first, as its bounces to
the practice do. What comes to the other it puts into mailboxes itself.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.fakes.mailhost import PRACTICE, MailHost, answers, is_gone, until
from tools.services import free_port

SILENT, TALKING = "autre.example", "causant.example"
"""Domains whose server does not, and does, offer delivery reports."""

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/lib
maillog_file_prefixes = {folder}
maillog_file = {folder}/postfix.log
myhostname = mx.autre.example
inet_protocols = ipv4
mydestination =
local_transport = error:no local mail
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
relay_domains = {silent}, {practice}
relay_transport = lmtp:inet:127.0.0.1:{lmtp}
virtual_mailbox_domains = {talking}
virtual_mailbox_maps = inline:{{ dr@{talking}=dr/ }}
virtual_mailbox_base = {folder}/boxes
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_transport = virtual
smtpd_relay_restrictions = reject_unauth_destination
lmtp_tls_security_level = none
lmtp_destination_recipient_limit = 1
smtpd_tls_security_level = may
smtpd_tls_chain_files = {etc}/key.pem, {etc}/certificate.pem
minimal_backoff_time = 1s
maximal_backoff_time = 5s
queue_run_delay = 1s
enable_long_queue_ids = yes
"""


class Elsewhere:
    """Started after the mail host, which is told the way here by ``show_the_way`` before it starts."""

    def __init__(self, host: MailHost) -> None:
        self.host, self.folder = host, host.folder / "elsewhere"
        self.ports = {SILENT: free_port(), TALKING: free_port()}
        for name in ("etc", "spool", "lib", "boxes"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "lib", "postfix", "postfix")
        shutil.chown(self.folder / "boxes", "nobody", "nogroup")
        self._write()
        self._show_the_way()
        self._process: subprocess.Popen[bytes] | None = None

    def _write(self) -> None:
        etc = self.host.folder / "etc"
        main = _MAIN.format(
            folder=self.folder,
            etc=etc,
            silent=SILENT,
            talking=TALKING,
            practice=PRACTICE,
            lmtp=self.host.port("2424"),
        )
        (self.folder / "etc" / "main.cf").write_text(main)
        documented = (etc / "postfix" / "master.cf").read_text()
        others = documented[documented.index("cleanup unix") :]
        doors = f"""127.0.0.1:{self.ports[SILENT]} inet n - n - - smtpd
  -o smtpd_discard_ehlo_keywords=dsn
127.0.0.1:{self.ports[TALKING]} inet n - n - - smtpd
"""
        (self.folder / "etc" / "master.cf").write_text(f"{doors}{others}virtual unix - n n - - virtual\n")

    def _show_the_way(self) -> None:
        main = self.host.folder / "etc" / "postfix" / "main.cf"
        ways = ", ".join(f"{{{domain} = smtp:[127.0.0.1]:{port}}}" for domain, port in self.ports.items())
        main.write_text(f"{main.read_text()}transport_maps = inline:{{ {ways} }}\n")

    def start(self) -> None:
        command = ["/usr/sbin/postfix", "-c", str(self.folder / "etc"), "start-fg"]
        with (self.folder / "start.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        for port in self.ports.values():
            until(lambda port=port: answers(port), f"port {port}", self.logs)

    def logs(self) -> str:
        return "\n".join(each.read_text(errors="replace")[-6000:] for each in sorted(Path(self.folder).glob("*.log")))

    def stop(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            master = int((self.folder / "spool" / "pid" / "master.pid").read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(master, signal.SIGTERM)
            until(lambda: is_gone(master), "the end of the second Postfix")
        if self._process:
            self._process.wait(20)
