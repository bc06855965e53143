"""The milter: a way in for messages beside the SMTP proxy, on the same gate.

An MTA (Postfix, Sendmail) tells what a client sends it; at the end of the message the gate judges, and the difference
goes back as changed fields and a new body, or as a reply.

    events, answers   what an MTA says, what it is told      (no I/O)
    protocol          in which order                         (no I/O)
    message           put together, and taken apart again    (no I/O)
    line, session     a connection, and what is said on it   (asyncio)
    edge              the listener

Known limits: one body for all recipients of a message, so several recipients mean no offer. What becomes of a message
after our answer (a later milter's or the MTA's refusal) is not told to a milter, so an offer may stay that no message
carries; its token was seen by nobody. Aliases that the MTA expands afterwards are not seen.
"""

from smtp_hooks.milter.edge import Milter, bind
from smtp_hooks.milter.settings import LOOPBACK, MilterSettings, Network

__all__ = ["LOOPBACK", "Milter", "MilterSettings", "Network", "bind"]
