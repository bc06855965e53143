"""A private Asterisk on loopback: a minimal base, and on it exactly what `mailgate deploy asterisk` prints.

    lab = PrivateAsterisk(folder, deploy=settings, sip_port=free_port(UDP)); lab.start(); …; lab.stop()

Everything lives in one folder, every listener on 127.0.0.1, any user may run it, several run side by side.
Asterisk itself is unpacked by scripts/get-asterisk.sh. Known limits: Linux; RTP ports are guessed free, not reserved.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mailgate.calls.deploy import render_asterisk
from mailgate.calls.settings import DeploySettings

HOST = "127.0.0.1"

# SIP, its audio, and the sound formats: what an ordinary PBX has loaded anyway. What the dialplan of mailgate needs
# beyond that stands in modules_mailgate.conf, and nowhere else, so that the list is known to be whole.
_MODULES = """
res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject res_crypto res_srtp
res_rtp_asterisk res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_caller_id res_pjsip_nat
res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest res_pjsip_outbound_registration
res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_registrar res_pjsip_rfc3326
res_pjsip_refer res_pjsip_diversion res_pjsip_dtmf_info res_pjsip_acl res_pjsip_pubsub chan_pjsip
res_http_websocket res_pjsip_transport_websocket
codec_ulaw codec_alaw codec_gsm codec_resample format_pcm format_wav format_gsm format_sln
bridge_native_rtp bridge_softmix bridge_builtin_features
"""

_RING = """[general]
country=us
[us]
description=United States
ringcadence=2000,4000
dial=350+440
busy=480+620/500,0/500
ring=440+480/2000,0/4000
congestion=480+620/250,0/250
callwaiting=440/300,0/10000
dialrecall=!350+440/100,!0/100,350+440
record=1400/500,0/15000
info=!950/330,!1400/330,!1800/330,0
"""

_EMPTY = """features ccss udptl acl cel stasis pjproject codecs sorcery dnsmgr enum cli cli_permissions pjsip_wizard
musiconhold extconfig aeap geolocation"""


def _ice_candidates() -> str:
    """Audio is bound to loopback, and Asterisk would name the machine's outer address to browsers all the same.

    That leads nowhere: a TURN server would forward to it, and know nobody who answers (rtp.conf.sample of Asterisk 22,
    ice_host_candidates).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737; nothing is sent, the kernel only chooses its own address
        except OSError:
            return ""
        own = probe.getsockname()[0]
    return f"[ice_host_candidates]\n{own} => {HOST}\n" if own != HOST else ""


def tree() -> Path:
    """Where scripts/get-asterisk.sh has unpacked Asterisk."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MAILGATE_ASTERISK") or Path(cache) / "mailgate" / "asterisk")


class PrivateAsterisk:
    """Files, process and command line of one Asterisk. `own_sip` and `own_dialplan` are what an administrator has
    beside ours, at the end of pjsip.conf and extensions.conf."""

    def __init__(
        self,
        folder: Path,
        *,
        deploy: DeploySettings,
        sip_port: int,
        rtp_ports: tuple[int, int],
        deployed: Mapping[str, str] | None = None,
        own_sip: str = "",
        own_dialplan: str = "",
        modules: Iterable[str] = (),
    ) -> None:
        self.folder = folder
        self.deploy = deploy
        self.deployed = deployed if deployed is not None else render_asterisk(deploy)
        self.sip_port = sip_port
        self.rtp_ports = rtp_ports
        self.own_sip, self.own_dialplan = own_sip, own_dialplan
        self.modules = [*_MODULES.split(), *modules]
        self.process: subprocess.Popen[bytes] | None = None
        self._program = str(tree() / "run" / "asterisk")

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def messages(self) -> str:
        """The log: notices, warnings and errors."""
        return (self.folder / "var" / "log" / "messages").read_text(encoding="utf-8", errors="replace")

    def files(self) -> dict[str, str]:
        """Every configuration file by name: the base, and on it the deployed files."""
        files = {f"{name}.conf": "" for name in _EMPTY.split()}
        files |= {
            "asterisk.conf": self._directories(),
            "modules.conf": "[modules]\nautoload=no\n"
            + "".join(f"load={m}.so\n" for m in self.modules)
            + "#include modules_mailgate.conf\n",
            "logger.conf": "[general]\ndateformat=%F %T.%3q\n[logfiles]\nmessages => notice,warning,error\n",
            "manager.conf": f"[general]\nenabled=yes\nwebenabled=no\nbindaddr={HOST}\nport={self.deploy.link.port}\n"
            "timestampevents=yes\nallowmultiplelogin=yes\n#include manager.d/mailgate.conf\n",
            "http.conf": self._http(),
            "rtp.conf": f"[general]\nrtpstart={self.rtp_ports[0]}\nrtpend={self.rtp_ports[1]}\nstrictrtp=yes\n"
            + _ice_candidates(),
            "indications.conf": _RING,
            "cdr.conf": "[general]\nenable=no\n",
            "pjsip.conf": "[global]\ntype=global\nuser_agent=gateway\nendpoint_identifier_order=username,ip\n"
            f"[udp]\ntype=transport\nprotocol=udp\nbind={HOST}:{self.sip_port}\n#include pjsip_mailgate.conf\n"
            + self.own_sip,
            "extensions.conf": "[general]\nstatic=yes\nwriteprotect=yes\n#include extensions_mailgate.conf\n"
            + self.own_dialplan,
        }
        return files | dict(self.deployed)

    def _http(self) -> str:
        host, _, port = self.deploy.link.websocket.partition(":")
        return f"[general]\nenabled=yes\nbindaddr={host}\nbindport={port}\n" if port else "[general]\nenabled=no\n"

    def write(self) -> None:
        for name in ("lib/keys", "spool", "run", "log", "agi-bin"):
            (self.folder / "var" / name).mkdir(parents=True, exist_ok=True)
        for name, text in self.files().items():
            path = self.etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def start(self, within_s: float = 30.0) -> None:
        """Write the files and run; returns when Asterisk has booted fully, raises RuntimeError when it does not."""
        self.write()
        output = self.folder / "out"
        with output.open("wb") as out:
            self.process = subprocess.Popen(
                [self._program, "-f", "-n", "-C", str(self.etc / "asterisk.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + within_s
        while "fully booted" not in self.cli("core waitfullybooted").lower():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("Asterisk did not start: " + output.read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def cli(self, command: str) -> str:
        """The answer to one command of Asterisk's own command line."""
        done = subprocess.run(
            [self._program, "-C", str(self.etc / "asterisk.conf"), "-rx", command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout

    def pause(self) -> None:
        """Freeze the process: a link that is half open, a server that answers no more."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without any chance to tidy up."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.kill()

    def _directories(self) -> str:
        var = self.folder / "var"
        modules = next(tree().glob("usr/lib/*/asterisk/modules"))
        return (
            f"[directories](!)\n[directories]\nastetcdir => {self.etc}\nastmoddir => {modules}\n"
            f"astvarlibdir => {var}/lib\nastdbdir => {var}/lib\nastkeydir => {var}/lib\n"
            f"astdatadir => {tree()}/usr/share/asterisk\nastagidir => {var}/agi-bin\nastspooldir => {var}/spool\n"
            f"astrundir => {var}/run\nastlogdir => {var}/log\nastsbindir => {tree()}/run\n"
            "[options]\nnocolor = yes\nhideconnect = yes\ntransmit_silence = yes\n"
        )
